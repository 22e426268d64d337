// Package metrics shows a broker's counters in Prometheus' format. The counters belong to those who count; a scrape
// reads them.
package metrics
