// Package bus carries events in and verdicts out over NATS JetStream.
//
// It owns the streams and buckets of plumbline (see Bus.Ensure), the codec of its events (see Decode and Bus.Publish) and,
// where no server is at hand, the server itself (see StartEmbedded). Every method that waits takes a context, repeats
// what is safe to repeat until that context is done, and returns an error that says what couldn't be reached.
package bus
