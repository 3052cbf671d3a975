package configs

import (
	"slices"

	"golang.org/x/net/http/httpguts"
)

// KindWebhook is the kind of an address that is posted to.
const KindWebhook = "webhook"

// A Webhook has an address, which is a secret as a whole.
type Webhook struct {
	Address   Secret `yaml:"address"`
	Health    string `yaml:"health"`    // an absolute URL that says whether it is well; "" asks the address itself
	Signature string `yaml:"signature"` // of WebhookSignatures; "" signs nothing
	Secret    Secret `yaml:"secret"`    // that posts are signed with
	Header    string `yaml:"header"`    // of signature hmac: where the sum stands
	Prefix    string `yaml:"prefix"`    // of signature hmac: what stands before it
}

// WebhookSignatures are the ways to sign a post.
func WebhookSignatures() []string { return []string{"slack", "standard-webhooks", "hmac"} }

// Origin is nobody's: the address has its own, and nothing is sent anywhere else.
func (w *Webhook) Origin() string { return "" }

func (w *Webhook) secrets() []*Secret { return []*Secret{&w.Address, &w.Secret} }

func (w *Webhook) settle(*loader, []string) {}

func (w *Webhook) limit() Rate { return Rate{} }

func (w *Webhook) validate(l *loader, path []string) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	l.need(!w.Address.IsZero(), "address", path)
	if w.Health != "" {
		l.webURL(w.Health, at("health")...)
	}
	if w.Signature != "" {
		l.oneOf(w.Signature, WebhookSignatures(), at("signature")...)
		l.need(!w.Secret.IsZero(), "secret", path)
	} else if !w.Secret.IsZero() {
		l.hinted(l.at(at("secret")...), "write signature: standard-webhooks", "a secret that nothing is signed with")
	}
	switch hmac := w.Signature == "hmac"; {
	case hmac && !httpguts.ValidHeaderFieldName(w.Header):
		l.hinted(l.at(path...), "add header: X-Signature", "a signature of kind hmac needs the header that it stands in")
	case !hmac && (w.Header != "" || w.Prefix != ""):
		l.problem(l.at(path...), "header and prefix are of signature hmac alone")
	}
}

// revealed refuses an address that is none.
func (w *Webhook) revealed(l *loader, path []string) {
	if !isWebURL(w.Address.Reveal()) {
		l.problem(l.at(append(slices.Clone(path), "address")...), "address is no absolute URL, want https://HOST/PATH")
	}
}
