// Package sim plays whole fleets of daemons on one bus through everything that can go wrong, inside one goroutine bubble
// whose clock runs as fast as it can: minutes of trouble pass in milliseconds.
//
// A Script is made of a seed and says what happens when: events, sent twice, broken, overtaking each other; daemons that
// are killed between two steps, stopped, paused or cut off; a broker that is restarted or killed; probes that hang, flap,
// panic or kill; clocks that jump. Play plays it on a real JetStream with the real bus, worker, runner and gate, and holds
// what came of it against a model of its own. Whatever it finds is a violation of what plumbline promises.
package sim
