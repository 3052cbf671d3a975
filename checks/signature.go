package checks

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" // #nosec G505 -- some providers sign with HMAC-SHA-1, which isn't broken; it is asked for by name
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
	"golang.org/x/net/http/httpguts"
)

// The kinds of signatures.
const (
	signedLikeSlack    = "slack"             // v0, over timestamp and body
	signedByStandard   = "standard-webhooks" // v1, over id, timestamp and body
	signedByHMAC       = "hmac"              // over the body
	maxSignatureSkew   = 5 * time.Minute
	maxSignaturesTried = 8
)

var signatureKinds = []string{signedLikeSlack, signedByStandard, signedByHMAC}

var hashes = map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}

// signature is how what arrives proves who sent it.
type signature struct {
	kind   string
	secret string // its name
	header string // of hmac, and what stands in it before the sum
	prefix string
	base64 bool // of hmac: not hex
	hash   func() hash.Hash
}

type signatureParameters struct {
	Kind     *yaml.Node `yaml:"kind"`
	Secret   *yaml.Node `yaml:"secret"`
	Header   *yaml.Node `yaml:"header"`
	Prefix   string     `yaml:"prefix"`
	Encoding *yaml.Node `yaml:"encoding"`
	Hash     *yaml.Node `yaml:"hash"`
}

// signature reads {kind: slack, secret: NAME}.
func (r *reader) signature(n *yaml.Node) *signature {
	var p signatureParameters
	if r.decode(n, &p); n.Kind != yaml.MappingNode {
		return nil
	}
	sig := &signature{prefix: p.Prefix, hash: sha256.New}
	if p.Kind == nil || !slices.Contains(signatureKinds, p.Kind.Value) {
		at, word := n, ""
		if p.Kind != nil {
			at, word = p.Kind, p.Kind.Value
		}
		r.wrongHint(at, strictyaml.DidYouMean(word, signatureKinds), "unknown kind of signature %q", word)
		return nil
	}
	sig.kind = p.Kind.Value
	if p.Secret == nil || !nameRule.MatchString(p.Secret.Value) {
		r.wrongHint(n, "write secret: NAME of the configuration's secrets", "a signature without a secret")
	} else {
		sig.secret = p.Secret.Value
		r.secret(p.Secret, sig.secret)
	}
	r.hmac(n, p, sig)
	return sig
}

// hmac reads what the others know by themselves.
func (r *reader) hmac(n *yaml.Node, p signatureParameters, sig *signature) {
	if sig.kind != signedByHMAC {
		for _, own := range []*yaml.Node{p.Header, p.Encoding, p.Hash, strictyaml.Value(n, "prefix")} {
			if own != nil {
				r.wrong(own, "header, prefix, encoding and hash are of kind hmac alone")
			}
		}
		return
	}
	if p.Header == nil || !httpguts.ValidHeaderFieldName(p.Header.Value) {
		r.wrongHint(n, "write header: X-Signature", "a signature of kind hmac needs the header that it stands in")
	} else {
		sig.header = p.Header.Value
	}
	if p.Encoding != nil {
		sig.base64 = p.Encoding.Value == "base64"
		if known := []string{"hex", "base64"}; !slices.Contains(known, p.Encoding.Value) {
			r.wrongHint(p.Encoding, strictyaml.DidYouMean(p.Encoding.Value, known), "unknown encoding %q", p.Encoding.Value)
		}
	}
	if p.Hash != nil {
		if sig.hash = hashes[p.Hash.Value]; sig.hash == nil {
			known := slices.Sorted(maps.Keys(hashes))
			r.wrongHint(p.Hash, strictyaml.DidYouMean(p.Hash.Value, known), "unknown hash %q", p.Hash.Value)
		}
	}
}

// wrong says why what arrived isn't signed by the secret.
func (sig *signature) wrong(header http.Header, body []byte, at time.Time, secret string) string {
	if len(bytes.Trim(sig.key(secret), "\x00")) == 0 { // a sum is the same with zeros at the end of its key
		return "signature: its secret is empty, so that anybody could have signed it"
	}
	switch sig.kind {
	case signedLikeSlack:
		stamp := header.Get("X-Slack-Request-Timestamp")
		if late := skewed(stamp, at); late != "" {
			return "signature: X-Slack-Request-Timestamp " + late
		}
		return among("X-Slack-Signature", header.Get("X-Slack-Signature"), sig.of(body, "", stamp, secret))
	case signedByStandard:
		id, stamp := header.Get("Webhook-Id"), header.Get("Webhook-Timestamp")
		if id == "" {
			return "signature: the header webhook-id is missing"
		}
		if late := skewed(stamp, at); late != "" {
			return "signature: webhook-timestamp " + late
		}
		return among("webhook-signature", header.Get("Webhook-Signature"), sig.of(body, id, stamp, secret))
	}
	got := header.Get(sig.header)
	if sum, has := strings.CutPrefix(got, sig.prefix); has && !sig.base64 {
		got = sig.prefix + strings.ToLower(sum)
	}
	return among(sig.header, got, sig.of(body, "", "", secret))
}

// of is the signature of a body, and of its id and time where the kind has them.
func (sig *signature) of(body []byte, id, stamp, secret string) string {
	switch sig.kind {
	case signedLikeSlack:
		return "v0=" + hex.EncodeToString(sumOf(sha256.New, sig.key(secret), "v0:", stamp, ":", string(body)))
	case signedByStandard:
		return "v1," + base64.StdEncoding.EncodeToString(sumOf(sha256.New, sig.key(secret), id, ".", stamp, ".", string(body)))
	}
	sum := sumOf(sig.hash, sig.key(secret), string(body))
	if sig.base64 {
		return sig.prefix + base64.StdEncoding.EncodeToString(sum)
	}
	return sig.prefix + hex.EncodeToString(sum)
}

// put signs what is sent, as wrong wants it.
func (sig *signature) put(header http.Header, body []byte, id string, at time.Time, secret string) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	signed := sig.of(body, id, stamp, secret)
	switch sig.kind {
	case signedLikeSlack:
		header.Set("X-Slack-Request-Timestamp", stamp)
		header.Set("X-Slack-Signature", signed)
	case signedByStandard:
		header.Set("Webhook-Id", id)
		header.Set("Webhook-Timestamp", stamp)
		header.Set("Webhook-Signature", signed)
	default:
		header.Set(sig.header, signed)
	}
}

// among says whether the wanted signature is one of those in a header, in a time that doesn't tell how much of it is right.
func among(name, header, want string) string {
	if header == "" {
		return "signature: the header " + name + " is missing"
	}
	for i, got := range strings.Fields(header) {
		if i < maxSignaturesTried && hmac.Equal([]byte(got), []byte(want)) {
			return ""
		}
	}
	return "signature: " + name + " was not made with the secret, or not of this body"
}

func sumOf(h func() hash.Hash, key []byte, parts ...string) []byte {
	mac := hmac.New(h, key)
	for _, part := range parts {
		mac.Write([]byte(part))
	}
	return mac.Sum(nil)
}

// key is what a secret signs with: of standard webhooks what stands in whsec_BASE64, if it is written so.
func (sig *signature) key(secret string) []byte {
	key := []byte(secret)
	if encoded, is := strings.CutPrefix(secret, "whsec_"); is && sig.kind == signedByStandard {
		if decoded, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			key = decoded
		}
	}
	return key
}

// skewed says what is wrong with when something was signed: old signatures may be replayed.
func skewed(stamp string, at time.Time) string {
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	switch {
	case stamp == "":
		return "is missing"
	case err != nil || seconds < 0 || seconds > 1<<40:
		return "is no time in seconds"
	}
	if apart := at.Sub(time.Unix(seconds, 0)).Abs(); apart > maxSignatureSkew {
		return fmt.Sprintf("is %s away from when it arrived, want at most %s", round(apart), maxSignatureSkew)
	}
	return ""
}
