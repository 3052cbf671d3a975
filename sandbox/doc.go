// Package sandbox is a Plum of two colors to try plumbline on: two environments that speak the Plum Rewards API over one
// shared store, as in production; a switch in front of them that obeys the gate; and users who never stop.
//
//   - Start opens four listeners: the two colors, the switch and the control.
//   - Environment is one color. Its version, configuration, credentials and faults can be changed while it serves.
//   - Switch moves traffic when the gate is open, and says so.
//   - Traffic is what users do, and counts every answer that was not right.
//
// Money and points are real in it: every order is charged to one balance, and nothing is charged twice.
package sandbox
