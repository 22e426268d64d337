//go:build synctests

package nodetest

// channelMutexes says whether franz-go was built with mutexes that a bubble of testing/synctest can wait for. See
// refuseGroup.
const channelMutexes = true
