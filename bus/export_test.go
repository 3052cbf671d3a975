package bus

import (
	"context"

	"github.com/plumbline-dev/plumbline"
)

// PublishVerdictAs is PublishVerdict with a message id of the test's choice.
func PublishVerdictAs(b *Bus, ctx context.Context, v plumbline.Verdict, id string) (plumbline.Verdict, bool, error) {
	return b.publishVerdict(ctx, v, func([]byte) string { return id })
}

// SyncsAlways says whether the server acknowledges only what is on the disk.
func SyncsAlways(e *Embedded) bool { return e.server.JetStreamConfig().SyncAlways }
