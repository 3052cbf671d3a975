package gate

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/plumbline-dev/plumbline"
)

// AnswerNATS answers a request: body is a JSON object of version, digest, purpose and event, or empty for what is
// deployed there now; the answer is the gate document. The error wraps ErrQuestion, ErrUnknown, or ErrCutOff, after
// which nothing may be sent: another daemon may know.
func (g *Gate) AnswerNATS(ctx context.Context, service, color string, body []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCutOff, err)
	}
	if len(body) > MaxBody {
		return nil, fmt.Errorf("%w: the body has %d bytes, want at most %d", ErrQuestion, len(body), MaxBody)
	}
	pairs, err := fromJSON(body)
	if err != nil {
		return nil, err
	}
	asked, err := question(pairs)
	if err != nil {
		return nil, err
	}
	doc, err := g.Answer(service, plumbline.Color(color), asked)
	if err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}
