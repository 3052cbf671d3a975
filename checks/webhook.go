package checks

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// KindWebhook is the kind of connections and checks of outgoing webhooks.
const KindWebhook = "webhook"

// A Webhook is an address that is posted to. Its whole URL is a secret.
type Webhook struct {
	Address   func() string
	Health    string // an absolute URL of its owner that says whether it is well; "" asks the address itself
	Signature string // how a post is signed: slack, standard-webhooks or hmac; "" isn't
	Header    string // of hmac: where the sum stands
	Prefix    string // of hmac: what stands before it
	Encoding  string // of hmac: base64, else hex
	Hash      string // of hmac: sha1 or sha512, else sha256
}

// credential is none: the address is all that is needed.
func (w *Webhook) credential(context.Context, *Connections, *account, plumbline.Site) (credential, error) {
	return credential{}, nil
}

func (w *Webhook) address() string { return w.Address() }

type webhookParameters struct {
	Connection *yaml.Node `yaml:"connection"`
	Method     *yaml.Node `yaml:"method"`
	Mode       *yaml.Node `yaml:"mode"`
	JSON       *yaml.Node `yaml:"json"`
}

// A knock is how a check finds out whether a webhook is there.
type knock struct {
	method string // HEAD or OPTIONS; "" asks the health URL, or without one tries both
	canary bool   // posts
	json   *tree  // what is posted; nil is a few words about who posts
}

// webhook is the kind of an address that is posted to: {webhook: customer}, or {webhook: {connection: customer, mode: canary}}.
func (e *engine) webhook() Kind {
	return Kind{Compile: func(d Definition) (Compiled, strictyaml.Problems) {
		r := d.reader(providerPlaces...)
		var p webhookParameters
		r.main(d.Value, &p, &p.Connection)
		k := &knock{canary: r.canary(p.Mode)}
		effect := plumbline.EffectNone
		switch {
		case k.canary:
			effect = plumbline.EffectLasting
		case p.JSON != nil:
			r.wrongHint(p.JSON, "write mode: canary", "nothing is posted without mode canary")
		}
		if p.Method != nil {
			if k.method = r.oneOf(p.Method, "method", []string{http.MethodHead, http.MethodOptions}); k.canary {
				r.wrong(p.Method, "a canary is posted: it has no method")
			}
		}
		if p.JSON != nil {
			body := r.tree(p.JSON)
			k.json = &body
		}
		return e.provider(r, d, p.Connection, effect, k.inquire)
	}}
}

func (k *knock) inquire(ctx context.Context, q *inquiry) error {
	w := q.account.Provider.(*Webhook)
	address := w.Address()
	if _, err := q.conceal(address); err != nil {
		return err
	}
	switch {
	case k.canary:
		return k.post(ctx, q, w, address)
	case k.method != "":
		return knockAt(ctx, q, k.method, address, "the webhook")
	case w.Health != "":
		return knockAt(ctx, q, http.MethodGet, w.Health, "the health URL")
	}
	err := knockAt(ctx, q, http.MethodHead, address, "the webhook")
	if slices.Contains([]int{http.StatusMethodNotAllowed, http.StatusNotImplemented}, q.status) {
		return knockAt(ctx, q, http.MethodOptions, address, "the webhook")
	}
	return err
}

// knockAt asks without leaving anything behind. Only 2xx is an answer that somebody is there.
func knockAt(ctx context.Context, q *inquiry, method, address, who string) error {
	x, err := q.ask(ctx, demand{method: method, path: address, bare: true})
	if err != nil {
		return err
	}
	return webhookAnswer(q, x, who+" answered "+method+" with")
}

func webhookAnswer(q *inquiry, x *exchange, said string) error {
	q.proof["status"] = x.status
	if x.status/100 == 2 {
		return nil
	}
	if r, known := rule(webhookCatalogue, x.status, "", ""); known {
		return q.troubled(r, x, "%s %d", said, x.status)
	}
	return &trouble{class: classOfStatus(x.status), reason: said + " " + strconv.Itoa(x.status), retryAfter: x.retryAfter(q.scene.clients.Now())}
}

// webhookCatalogue is what a status means to who posts (RFC 9110; Standard Webhooks, section Consumer Responses).
var webhookCatalogue = []ruling{
	{status: 301, class: plumbline.ClassMisconfig, cure: "the address has moved, and redirects aren't followed: configure the new one"},
	{status: 302, class: plumbline.ClassMisconfig, cure: "redirects aren't followed: configure where it leads"},
	{status: 303, class: plumbline.ClassMisconfig, cure: "redirects aren't followed: configure where it leads"},
	{status: 307, class: plumbline.ClassMisconfig, cure: "redirects aren't followed: configure where it leads"},
	{status: 308, class: plumbline.ClassMisconfig, cure: "the address has moved, and redirects aren't followed: configure the new one"},
	{status: 401, class: plumbline.ClassCredential, cure: "its owner doesn't know who asks: look at the address and the signing secret"},
	{status: 403, class: plumbline.ClassPermission, tier: plumbline.TierReach, cure: "its owner refuses: ask who keeps it"},
	{status: 404, class: plumbline.ClassMisconfig, cure: "nobody listens at this address: configure another one"},
	{status: 410, class: plumbline.ClassMisconfig, cure: "it is gone for good: take it out, or configure another one"},
	{status: 429, class: plumbline.ClassThrottled, cure: "asked too often: lower the rate of the connection"},
}

// post sends a message that says what it is, under an id by which its owner can tell that it comes again.
func (k *knock) post(ctx context.Context, q *inquiry, w *Webhook, address string) error {
	ask := q.scene.ask
	var message any = map[string]any{"type": "plumbline.canary", "run": ask.Run, "service": ask.Site.Service, "color": string(ask.Site.Color)}
	if k.json != nil {
		var err error
		if message, err = k.json.value(q.scene); err != nil {
			return err
		}
	}
	body, err := json.Marshal(message)
	if err != nil {
		return err
	}
	header := http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {ask.Run}}
	if w.Signature != "" {
		secret, err := q.account.secret()
		if err != nil {
			return err
		}
		q.scene.hidden = append(q.scene.hidden, secret)
		w.signing().put(header, body, ask.Run, q.scene.clients.Now(), secret)
	}
	x, err := q.ask(ctx, demand{method: http.MethodPost, path: address, header: header, body: body, bare: true})
	if err != nil {
		return err
	}
	if err := webhookAnswer(q, x, "the webhook answered a post with"); err != nil {
		return err
	}
	q.reached(plumbline.TierPermission)
	return nil
}

// signing is how a post is signed.
func (w *Webhook) signing() *signature {
	sig := &signature{kind: w.Signature, header: w.Header, prefix: w.Prefix, base64: w.Encoding == "base64", hash: hashes[w.Hash]}
	if sig.hash == nil {
		sig.hash = sha256.New
	}
	return sig
}
