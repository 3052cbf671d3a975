package bus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// A Restored is a stream after Restore.
type Restored struct {
	Name     string `json:"name"`
	Messages uint64 `json:"messages"`
	Expired  uint64 `json:"expired"` // of the backup's messages, those that were too old by now
}

// undoFor bounds how long a restore that failed takes back what it made.
const undoFor = 30 * time.Second

// Restore makes the streams of a backup on a bus that has none of them, each with the sequences and times it had, and
// gives the durable consumers their places again. No daemon should run meanwhile. What it made is removed again if it
// fails. each hears of every stream that is restored.
func (b *Bus) Restore(ctx context.Context, dir string, each func(Restored)) (err error) {
	backup, err := ReadBackup(dir)
	if err != nil {
		return err
	}
	if err := b.mayRestore(ctx, backup); err != nil {
		return err
	}
	var made []string
	defer func() {
		if err != nil {
			err = errors.Join(err, b.undo(ctx, made))
		}
	}()
	for _, s := range backup.Streams {
		restored, err := b.restoreStream(ctx, dir, s, &made)
		if err != nil {
			return fmt.Errorf("stream %s: %w", s.Name, err)
		}
		each(restored)
	}
	for _, p := range backup.Places {
		if err := b.restorePlace(ctx, p); err != nil {
			return fmt.Errorf("consumer %s of stream %s: %w", p.Config.Durable, p.Stream, err)
		}
	}
	return nil
}

// mayRestore refuses a backup of something else, and a bus that has something.
func (b *Bus) mayRestore(ctx context.Context, backup Backup) error {
	if backup.Prefix != b.options.Prefix {
		return fmt.Errorf("the backup is of prefix %q, and bus.prefix is %q: subjects can't be renamed", backup.Prefix, b.options.Prefix)
	}
	known := b.backupOrder()
	var names, there []string
	for _, s := range backup.Streams {
		names = append(names, s.Name)
		if s.Config.Name != s.Name {
			return fmt.Errorf("the backup of stream %s has settings of %q", s.Name, s.Config.Name)
		}
	}
	slices.Sort(names)
	if want := slices.Sorted(slices.Values(known)); !slices.Equal(names, want) {
		return fmt.Errorf("the backup has the streams %s, want %s", strings.Join(names, " "), strings.Join(want, " "))
	}
	for _, p := range backup.Places {
		if !slices.Contains(known, p.Stream) || p.Config.Durable == "" {
			return fmt.Errorf("the backup has a consumer %q of stream %q, which isn't plumbline's", p.Config.Durable, p.Stream)
		}
	}
	for _, name := range known {
		_, err := b.streamConfig(ctx, name)
		switch {
		case err == nil:
			there = append(there, name)
		case noJetStream(err):
			return errNoJetStream
		case !errors.Is(err, jetstream.ErrStreamNotFound):
			return fmt.Errorf("stream %s: %w", name, err)
		}
	}
	if len(there) > 0 {
		return fmt.Errorf("%s: %w", strings.Join(there, ", "), ErrNotEmpty)
	}
	return nil
}

// restoreStream adds the stream to made as soon as it is there: another one of the name would be somebody else's.
func (b *Bus) restoreStream(ctx context.Context, dir string, s StreamBackup, made *[]string) (Restored, error) {
	file, err := os.Open(s.file(dir))
	if err != nil {
		return Restored{}, err
	}
	defer file.Close() //nolint:errcheck // it was read
	config := s.Config
	config.Replicas = b.replicas()
	if config.Replicas > 1 {
		config.PersistMode = jetstream.DefaultPersistMode // the other one is for a single replica alone
	}
	state, err := b.restore(ctx, config, file)
	if err != nil {
		return Restored{}, err
	}
	*made = append(*made, s.Name)
	if state.LastSeq != s.Last || state.Msgs > s.Messages || state.Msgs < s.Messages && s.Config.MaxAge == 0 {
		return Restored{}, fmt.Errorf("it has %d messages up to %d, want %d up to %d", state.Msgs, state.LastSeq, s.Messages, s.Last)
	}
	return Restored{Name: s.Name, Messages: state.Msgs, Expired: s.Messages - state.Msgs}, nil
}

func (b *Bus) restorePlace(ctx context.Context, p PlaceBackup) error {
	config := p.Config
	config.Name, config.Metadata, config.Replicas = "", nil, 0
	config.DeliverPolicy, config.OptStartSeq, config.OptStartTime = jetstream.DeliverByStartSequencePolicy, p.Done+1, nil
	_, err := b.js.CreateConsumer(ctx, p.Stream, config)
	if errors.Is(err, jetstream.ErrConsumerExists) {
		err = errors.New("somebody made it meanwhile: stop the daemons until the restore is done")
	}
	return err
}

// undo removes the streams that a restore made.
func (b *Bus) undo(ctx context.Context, made []string) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoFor)
	defer cancel()
	for _, name := range made {
		if gone := b.js.DeleteStream(ctx, name); gone != nil && !errors.Is(gone, jetstream.ErrStreamNotFound) {
			err = errors.Join(err, fmt.Errorf("stream %s was half restored and is still there: %w", name, gone))
		}
	}
	return err
}
