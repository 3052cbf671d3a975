// Package bench measures plumbline: how long it takes from an event to its verdict, beside a loop over the same bus that
// does nothing but carry messages. docs/performance.md has the figures and the command.
package bench
