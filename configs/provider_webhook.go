package configs

import (
	"net/http"
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
	Encoding  string `yaml:"encoding"`  // of signature hmac: hex (default) or base64
	Hash      string `yaml:"hash"`      // of signature hmac: sha256 (default), sha1 or sha512
}

// WebhookSignatures are the ways to sign a post.
func WebhookSignatures() []string { return []string{"slack", "standard-webhooks", "hmac"} }

// Origin is nobody's: the address has its own, and nothing is sent anywhere else.
func (w *Webhook) Origin() string { return "" }

func (w *Webhook) secrets() []*Secret { return []*Secret{&w.Address, &w.Secret} }

// others is its owner's health URL.
func (w *Webhook) others() []string { return []string{w.Health} }

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
	case !hmac && w.Header+w.Prefix+w.Encoding+w.Hash != "":
		l.problem(l.at(path...), "header, prefix, encoding and hash are of signature hmac alone")
	case hmac && w.Header == "":
		l.hinted(l.at(path...), "add header: X-Signature", "a signature of kind hmac needs the header that it stands in")
	case hmac && (!httpguts.ValidHeaderFieldName(w.Header) || slices.Contains(owned, http.CanonicalHeaderKey(w.Header))):
		l.problem(l.at(at("header")...), "%q is no header for a signature, want one such as X-Signature", w.Header)
	case hmac && !httpguts.ValidHeaderFieldValue(w.Prefix):
		l.problem(l.at(at("prefix")...), "a prefix that no header can carry")
	}
	if w.Encoding != "" {
		l.oneOf(w.Encoding, []string{"hex", "base64"}, at("encoding")...)
	}
	if w.Hash != "" {
		l.oneOf(w.Hash, []string{"sha256", "sha1", "sha512"}, at("hash")...)
	}
}

// revealed refuses an address that is none.
func (w *Webhook) revealed(l *loader, path []string) {
	if !isWebURL(w.Address.Reveal()) {
		l.problem(l.at(append(slices.Clone(path), "address")...), "address is no absolute URL, want https://HOST/PATH")
	}
}
