package bus

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// maxSuite bounds in bytes what is read of a stored suite or configuration.
const maxSuite = 16 << 20

// ErrNoSuite says that nothing is stored under a digest.
var ErrNoSuite = errors.New("no suite is stored under this digest")

// PutSuite keeps the bytes of a suite or configuration under their digest, "sha256:" and 64 hex digits; bytes that are
// there already are left alone.
func (b *Bus) PutSuite(ctx context.Context, digest string, data []byte) error {
	if got := digestOf(data); got != digest {
		return fmt.Errorf("suite has digest %s, want %s", got, clip(digest, 100))
	}
	return b.withSuites(ctx, digest, func(ctx context.Context, store jetstream.ObjectStore) error {
		if _, err := store.GetInfo(ctx, digest); !errors.Is(err, jetstream.ErrObjectNotFound) {
			return err
		}
		return b.putObject(ctx, digest, data)
	})
}

// suiteChunk is the size in bytes of the messages that an object is made of.
const suiteChunk = 128 << 10

// putObject writes an object as the client's own call does, except that it removes nothing: of several daemons at once, the
// first one's is there afterwards, and a user who may only write can do it.
func (b *Bus) putObject(ctx context.Context, name string, data []byte) error {
	bucket := b.names.suites()
	sum := sha256.Sum256(data)
	info := jetstream.ObjectInfo{
		ObjectMeta: jetstream.ObjectMeta{Name: name, Opts: &jetstream.ObjectMetaOptions{ChunkSize: suiteChunk}},
		Bucket:     bucket, NUID: uuid.NewString(), Size: uint64(len(data)), ModTime: b.options.Now().UTC(),
		Digest: "SHA-256=" + base64.URLEncoding.EncodeToString(sum[:]),
	}
	for chunk := range slices.Chunk(data, suiteChunk) {
		info.Chunks++
		m := &nats.Msg{Subject: "$O." + bucket + ".C." + info.NUID, Data: chunk}
		if _, err := b.js.PublishMsg(ctx, m, jetstream.WithMsgID(fmt.Sprintf("%s.%d", info.NUID, info.Chunks))); err != nil {
			return err
		}
	}
	body, err := json.Marshal(info)
	if err != nil {
		return err
	}
	m := &nats.Msg{Subject: "$O." + bucket + ".M." + base64.URLEncoding.EncodeToString([]byte(name)), Data: body}
	var before uint64
	if removed, err := b.last(ctx, "OBJ_"+bucket, m.Subject); err == nil {
		before = removed.Sequence
	} else if !errors.Is(err, jetstream.ErrMsgNotFound) {
		return err
	}
	_, err = b.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(before))
	if isWrongSequence(err) {
		return nil // a digest has one content
	}
	return err
}

// Suite reads what PutSuite kept, and verifies it. The error wraps ErrNoSuite if nothing is there.
func (b *Bus) Suite(ctx context.Context, digest string) (data []byte, err error) {
	err = b.withSuites(ctx, digest, func(ctx context.Context, store jetstream.ObjectStore) error {
		object, err := store.GetInfo(ctx, digest)
		if err != nil {
			return err
		}
		data, err = b.chunks(ctx, object)
		return err
	})
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		err = fmt.Errorf("suite %s: %w", digest, ErrNoSuite)
	}
	if err != nil {
		return nil, err
	}
	if got := digestOf(data); got != digest {
		return nil, fmt.Errorf("stored suite has digest %s, want %s", got, clip(digest, 100))
	}
	return data, nil
}

// chunks reads an object by question and answer, which takes no consumer and so less permission than the client's way.
func (b *Bus) chunks(ctx context.Context, object *jetstream.ObjectInfo) (data []byte, err error) {
	if object.Size > maxSuite {
		return nil, fmt.Errorf("it has %d bytes, want at most %d", object.Size, maxSuite)
	}
	stream, err := b.js.Stream(ctx, "OBJ_"+b.names.suites())
	if err != nil {
		return nil, err
	}
	pieces, _, err := walk(ctx, stream, "$O."+b.names.suites()+".C."+object.NUID, 1, int(object.Chunks), 0)
	for _, piece := range pieces {
		data = append(data, piece.data...)
	}
	return data, err
}

func (b *Bus) withSuites(ctx context.Context, digest string, use func(context.Context, jetstream.ObjectStore) error) error {
	err := b.repeat(ctx, func(ctx context.Context) error {
		store, err := b.js.ObjectStore(ctx, b.names.suites())
		if err != nil {
			return err
		}
		return use(ctx, store)
	})
	if err != nil {
		return fmt.Errorf("suite %s: %w", clip(digest, 100), err)
	}
	return nil
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
