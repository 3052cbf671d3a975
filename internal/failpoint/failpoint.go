// Package failpoint names the moments between the steps from an event to its verdict. In an ordinary build they are
// nothing at all. In one with the tag failpoints the process ends itself there, as if killed, when it is told to: see
// on.go. That is how process chaos reaches every gap between two steps, however narrow.
package failpoint

// A Point is a moment after one step and before the next.
type Point string

// The points, in the order in which an event passes them.
const (
	EventTaken     Point = "event-taken"     // an event is in the hands of the state handler, which did nothing yet
	LetterWritten  Point = "letter-written"  // an event that can't be served is a dead letter, and isn't settled
	RecordMoved    Point = "record-moved"    // the event is accepted, the ledger doesn't know
	RecordTold     Point = "record-told"     // the ledger knows, the event isn't settled
	EventSettled   Point = "event-settled"   // nothing is left to do about the record
	RunTaken       Point = "run-taken"       // an event is in the hands of a worker, which did nothing yet
	RunStarted     Point = "run-started"     // the start is written, nothing was asked
	RunAsked       Point = "run-asked"       // every check has its answer, nobody knows the verdict
	VerdictWritten Point = "verdict-written" // the verdict is durable, the record doesn't know
	VerdictNoted   Point = "verdict-noted"   // the record knows, the ledger doesn't
	VerdictTold    Point = "verdict-told"    // the ledger knows, the event isn't settled
	RunSettled     Point = "run-settled"     // nothing is left to do about the run
)

// All are the points in order.
func All() []Point {
	return []Point{EventTaken, LetterWritten, RecordMoved, RecordTold, EventSettled,
		RunTaken, RunStarted, RunAsked, VerdictWritten, VerdictNoted, VerdictTold, RunSettled}
}
