package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// servers asks every server how it writes to its disk. Only who operates the servers, or was let, gets an answer.
func (b *check) servers(ctx context.Context) []Finding {
	const question = "$SYS.REQ.SERVER.PING.JSZ"
	unseen := []Finding{{"servers", StateUnknown, "how they write can't be seen by this user: let it ask " + question + ", or see that their jetstream {} says sync_interval: always"}}
	if !b.may(question) {
		return unseen
	}
	inbox := b.conn.NewInbox()
	answers, err := b.conn.SubscribeSync(inbox)
	if err != nil {
		return unseen
	}
	defer answers.Unsubscribe() //nolint:errcheck // it ends with the connection
	if b.conn.PublishRequest(question, inbox, []byte(`{"config":true}`)) != nil {
		return unseen
	}
	var all []Finding
	attempt, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	for wait := attempt; ; {
		m, err := answers.NextMsgWithContext(wait)

		if err != nil || m.Header.Get("Status") != "" {
			break
		}
		all = append(all, checkServer(m))
		if len(all) == 1 { // the others are as far away
			var end context.CancelFunc
			wait, end = context.WithTimeout(attempt, answersApart)
			defer end()
		}
	}
	if len(all) == 0 {
		return unseen
	}
	slices.SortFunc(all, func(a, b Finding) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// answersApart is how long after the first server others may answer.
const answersApart = 500 * time.Millisecond

func checkServer(m *nats.Msg) Finding {
	var answer struct {
		Server struct{ Name, Ver string }
		Data   struct {
			Disabled bool `json:"disabled"`
			Config   struct {
				SyncInterval time.Duration `json:"sync_interval"`
				SyncAlways   bool          `json:"sync_always"`
			} `json:"config"`
		}
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return Finding{"server", StateUnknown, "its answer can't be read"}
	}
	f := Finding{"server " + answer.Server.Name, StateOK, "version " + answer.Server.Ver + ", acknowledges what is on its disk"}
	switch {
	case answer.Data.Disabled:
		f.Text = "version " + answer.Server.Ver + ", keeps nothing: it has no JetStream"
	case !answer.Data.Config.SyncAlways:
		f.State, f.Text = StateWeak, fmt.Sprintf("writes to its disk every %s: a power cut loses what it acknowledged, want sync_interval: always", answer.Data.Config.SyncInterval)
	}
	return f
}
