package sandbox

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
)

// SignatureHeader carries the HMAC-SHA256 of a webhook's body by the secret of the API client: sha256=HEX.
const SignatureHeader = "X-Plum-Signature"

func signature(body []byte, key string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// A trial is a notice that somebody asked for, to an address of their own. It says nothing about the customer's address:
// its failures are no strikes.
type trial struct {
	notice  notice
	address string
	key     string
}

const (
	maxTrials    = 64 // that wait
	maxReference = 120
)

// webhookTest is POST /chef/v1/admin/webhook-test with {"url","reference"}: the color posts the notice of a delivery there,
// in which the reference stands for the poNumber.
func (e *Environment) webhookTest(w http.ResponseWriter, r *http.Request) {
	var in struct {
		URL       string `json:"url"`
		Reference string `json:"reference"`
	}
	if err := readKnown(r, &in, "reference", "url"); err != nil {
		e.refuse(w, badInput("%v", err))
		return
	}
	u, err := url.Parse(in.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		e.refuse(w, badInput("url is no http or https address"))
		return
	case in.Reference == "" || len(in.Reference) > maxReference:
		e.refuse(w, badInput("reference has %d bytes, want 1 to %d", len(in.Reference), maxReference))
		return
	}
	id, err := e.store.rand.hex(8)
	if err != nil {
		e.refuse(w, err)
		return
	}
	t := trial{notice{ID: "evt-test-" + id, CreatedAt: stamp(e.store.clock()),
		Data: noticeOrder{PONumber: in.Reference, Date: stamp(e.store.clock()), DeliveryStatus: "delivered"}}, in.URL, e.client.Secret}
	if conditionOf(r).Faults.BrokenWebhook {
		t.key = "revoked"
	}
	select {
	case e.store.trials <- t:
		writeJSON(w, http.StatusAccepted, map[string]string{"id": t.notice.ID, "status": "queued"})
	default:
		e.refuse(w, errBusy)
	}
}

// postTrials posts what was asked for until ctx ends, each once.
func (s *store) postTrials(ctx context.Context, client *http.Client) {
	for {
		select {
		case <-ctx.Done():
			return
		case t := <-s.trials:
			_ = post(ctx, client, t.address, t.notice, t.key) // who asked for it sees that nothing comes
		}
	}
}
