package bus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// BackupSchema is the schema of a backup's manifest.
const BackupSchema = "plumbline.backup/v1"

// manifestFile is written last: a directory without it is no backup.
const manifestFile = "backup.json"

// A Backup is what a directory holds of a bus.
type Backup struct {
	Schema  string         `json:"schema"`
	Prefix  string         `json:"prefix"`
	At      time.Time      `json:"at"`
	Streams []StreamBackup `json:"streams"`
	Places  []PlaceBackup  `json:"places"`
}

// A StreamBackup is a file with a snapshot of a stream, as its server makes it.
type StreamBackup struct {
	Name     string                 `json:"name"`
	Size     int64                  `json:"size"` // of the file
	SHA256   string                 `json:"sha256"`
	Messages uint64                 `json:"messages"`
	Bytes    uint64                 `json:"bytes"`
	First    uint64                 `json:"first"` // sequence
	Last     uint64                 `json:"last"`
	Config   jetstream.StreamConfig `json:"config"`
}

// A PlaceBackup is how far a durable consumer had come.
type PlaceBackup struct {
	Stream string                   `json:"stream"`
	Config jetstream.ConsumerConfig `json:"config"`
	Done   uint64                   `json:"done"` // everything up to this sequence
}

// file is where a stream's snapshot is, which the manifest has no say in.
func (s StreamBackup) file(dir string) string { return filepath.Join(dir, s.Name+".snapshot") }

// Backup writes all streams into a directory that isn't there or is empty. Daemons may go on meanwhile: what they do in
// between is in the backup or happens again after a restore, never half. each hears of every stream that is written.
func (b *Bus) Backup(ctx context.Context, dir string, each func(StreamBackup)) (Backup, error) {
	if b.mayNot(ctx, "$JS.API.STREAM.SNAPSHOT."+b.names.events()) {
		return Backup{}, errNoAdmin
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Backup{}, err
	}
	found, err := os.ReadDir(dir)
	if err != nil {
		return Backup{}, err
	}
	if len(found) > 0 {
		return Backup{}, fmt.Errorf("%s: %w", dir, ErrNotEmpty)
	}
	backup := Backup{Schema: BackupSchema, Prefix: b.options.Prefix, At: b.options.Now().UTC(), Places: []PlaceBackup{}}
	names := b.backupOrder()
	for _, name := range names {
		places, err := b.places(ctx, name)
		if err != nil {
			return backup, fmt.Errorf("consumers of stream %s: %w", name, err)
		}
		backup.Places = append(backup.Places, places...)
	}
	for _, name := range names {
		stream, err := b.backupStream(ctx, dir, name)
		if err != nil {
			return backup, fmt.Errorf("stream %s: %w", name, err)
		}
		backup.Streams = append(backup.Streams, stream)
		each(stream)
	}
	text, err := json.MarshalIndent(backup, "", "  ")
	if err != nil {
		return backup, err
	}
	return backup, writeOnce(filepath.Join(dir, manifestFile), func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
}

// ErrNotEmpty is the end of a backup or restore that would overwrite something.
var ErrNotEmpty = errors.New("there is something already, and nothing is overwritten")

// backupOrder is the order in which streams can be read one after the other while daemons go on. Places come first: who
// stands further back sees again what it has done, and does nothing twice. Then what refers to others comes before them:
// a record names verdicts and suites that exist, and no event that isn't there.
func (b *Bus) backupOrder() []string {
	n := b.names
	return []string{"KV_" + n.services(), n.verdicts(), n.ledger(), n.deadLetters(), "OBJ_" + n.suites(), n.results(), n.events()}
}

// places are the durable consumers of a stream.
func (b *Bus) places(ctx context.Context, name string) (places []PlaceBackup, err error) {
	stream, err := b.js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	consumers := stream.ListConsumers(ctx)
	for info := range consumers.Info() {
		if info.Config.Durable != "" {
			places = append(places, PlaceBackup{Stream: name, Config: info.Config, Done: info.AckFloor.Stream})
		}
	}
	if err := consumers.Err(); err != nil {
		return nil, err
	}
	slices.SortFunc(places, func(a, b PlaceBackup) int {
		if a.Config.Durable < b.Config.Durable {
			return -1
		}
		return 1
	})
	return places, nil
}

func (b *Bus) backupStream(ctx context.Context, dir, name string) (backup StreamBackup, err error) {
	backup.Name = name
	sum := sha256.New()
	err = writeOnce(backup.file(dir), func(w io.Writer) error {
		snapshot, err := b.snapshot(ctx, name, io.MultiWriter(w, sum))
		backup.Config, backup.Size = snapshot.Config, snapshot.size
		backup.Messages, backup.Bytes, backup.First, backup.Last = snapshot.State.Msgs, snapshot.State.Bytes, snapshot.State.FirstSeq, snapshot.State.LastSeq
		return err
	})
	backup.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return backup, err
}

// writeOnce makes a file that isn't there and that nobody else may read, and is sure that the disk has it.
func writeOnce(name string, write func(io.Writer) error) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // #nosec G304 -- the user says where the backup goes
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		return errors.Join(err, file.Close())
	}
	return errors.Join(file.Sync(), file.Close())
}

// maxManifest bounds in bytes what is read of a manifest.
const maxManifest = 4 << 20

// ReadBackup reads what a directory holds, and verifies that it is whole.
func ReadBackup(dir string) (backup Backup, err error) {
	file, err := os.Open(filepath.Join(dir, manifestFile)) // #nosec G304 -- the user says where the backup is
	if errors.Is(err, fs.ErrNotExist) {
		return backup, fmt.Errorf("%s has no %s: it is no backup, or one that was not finished", dir, manifestFile)
	}
	if err != nil {
		return backup, err
	}
	defer file.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(io.LimitReader(file, maxManifest))
	if err != nil {
		return backup, err
	}
	if err := json.Unmarshal(text, &backup); err != nil {
		return backup, fmt.Errorf("%s: %w", file.Name(), err)
	}
	if backup.Schema != BackupSchema {
		return backup, fmt.Errorf("%s: schema %q, want %s", file.Name(), clip(backup.Schema, 64), BackupSchema)
	}
	for _, s := range backup.Streams {
		if filepath.Base(s.Name) != s.Name {
			return backup, fmt.Errorf("%s: %q is no stream", file.Name(), clip(s.Name, 64))
		}
		if err := s.verify(dir); err != nil {
			return backup, err
		}
	}
	return backup, nil
}

func (s StreamBackup) verify(dir string) error {
	file, err := os.Open(s.file(dir))
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it was read
	sum := sha256.New()
	size, err := io.Copy(sum, file)
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != s.SHA256 || size != s.Size {
		return fmt.Errorf("%s has %d bytes with SHA-256 %s, want %d with %s: it is damaged", file.Name(), size, got, s.Size, s.SHA256)
	}
	return nil
}
