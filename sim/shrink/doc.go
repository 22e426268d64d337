// Package shrink makes the plan of a failing simulation smaller, and keeps it failing: by leaving out clients,
// faults, stops, operations, machines, topics and settings, first many at a time and then few (delta debugging,
// Zeller and Hildebrandt 2002), and by making simpler what stays.
//
// A smaller world goes another way than the large one, and a bug that needs luck may need it again: a candidate that
// does not fail is tried under other salts, with more patience in every round.
package shrink
