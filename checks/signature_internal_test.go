package checks

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// FuzzSignature holds the verifiers to what a signature is for: what is accepted was made with the secret, of this very
// body, and not long ago.
func FuzzSignature(f *testing.F) {
	at := time.Unix(1_780_000_000, 0)
	stamp := strconv.FormatInt(at.Unix(), 10)
	body := []byte(`{"delivered":true}`)
	f.Add(uint8(0), "secret", stamp, "", "v0="+hex.EncodeToString(sumOf(sha256.New, []byte("secret"), "v0:", stamp, ":", string(body))), body)
	f.Add(uint8(1), "whsec_c2VjcmV0", stamp, "msg_1", "v1,"+base64.StdEncoding.EncodeToString(sumOf(sha256.New, []byte("secret"), "msg_1.", stamp, ".", string(body))), body)
	f.Add(uint8(2), "secret", "", "", "sha256="+hex.EncodeToString(sumOf(sha256.New, []byte("secret"), string(body))), body)
	f.Add(uint8(3), "secret", "", "", base64.StdEncoding.EncodeToString(sumOf(sha256.New, []byte("secret"), string(body))), body)
	f.Add(uint8(0), "", "-1", "", "v0= v0= v0=", []byte(nil))
	f.Add(uint8(1), "whsec_", stamp, "msg_1", "v1,"+base64.StdEncoding.EncodeToString(sumOf(sha256.New, nil, "msg_1.", stamp, ".", string(body))), body)
	f.Add(uint8(2), "", "", "", "sha256="+hex.EncodeToString(sumOf(sha256.New, nil, string(body))), body)
	f.Fuzz(func(t *testing.T, kind uint8, secret, stamp, id, signed string, body []byte) {
		sig := []*signature{
			{kind: signedLikeSlack, hash: sha256.New}, {kind: signedByStandard, hash: sha256.New},
			{kind: signedByHMAC, hash: sha256.New, header: "X-Signature", prefix: "sha256="}, {kind: signedByHMAC, hash: sha256.New, header: "X-Signature", base64: true},
		}[kind%4]
		header := http.Header{}
		for _, name := range []string{"X-Slack-Signature", "Webhook-Signature", "X-Signature"} {
			header.Set(name, signed)
		}
		header.Set("X-Slack-Request-Timestamp", stamp)
		header.Set("Webhook-Timestamp", stamp)
		header.Set("Webhook-Id", id)
		if sig.wrong(header, body, at, secret) != "" {
			return
		}
		if secret == "" || secret == "whsec_" {
			t.Error("what anybody can sign is accepted")
		}
		if sig.wrong(header, append([]byte("x"), body...), at, secret) == "" {
			t.Error("another body is accepted with the same signature")
		}
		if sig.wrong(header, body, at, secret+"x") == "" && sig.kind != signedByStandard { // whose secret may be base64 with an end that doesn't count
			t.Error("another secret is accepted")
		}
		if sig.kind != signedByHMAC && sig.wrong(header, body, at.Add(maxSignatureSkew+time.Hour), secret) == "" {
			t.Error("an old signature is accepted")
		}
	})
}

// What is signed here is taken there, and by nobody who holds another secret.
func TestWhatIsSignedIsTaken(t *testing.T) {
	at, body := time.Unix(1_780_000_000, 0), []byte(`{"delivered":true}`)
	signings := []*signature{{kind: signedLikeSlack}, {kind: signedByStandard}}
	for name := range hashes {
		for _, encoding := range []string{"hex", "base64"} {
			signings = append(signings, (&Webhook{Signature: signedByHMAC, Header: "X-Signature", Prefix: name + "=", Encoding: encoding, Hash: name}).signing())
		}
	}
	for _, sig := range signings {
		header := http.Header{}
		sig.put(header, body, "run1", at, "whsec_c2VjcmV0")
		if wrong := sig.wrong(header, body, at.Add(time.Minute), "whsec_c2VjcmV0"); wrong != "" {
			t.Errorf("%+v: %s", sig, wrong)
		}
		if sig.wrong(header, body, at, "whsec_b3RoZXI=") == "" || sig.wrong(header, append([]byte(" "), body...), at, "whsec_c2VjcmV0") == "" {
			t.Errorf("%+v takes another secret, or another body", sig)
		}
	}
}

// A secret that was put together of nothing is one that everybody knows.
func TestWhatAnybodyCanSignIsRefused(t *testing.T) {
	at, body := time.Unix(1_780_000_000, 0), []byte(`{"delivered":true}`)
	for secret, signings := range map[string][]*signature{
		"":                 {{kind: signedLikeSlack}, {kind: signedByStandard}, {kind: signedByHMAC, hash: sha256.New, header: "X-Signature"}},
		"whsec_":           {{kind: signedByStandard}},
		"whsec_AAAAAAAA":   {{kind: signedByStandard}},
		"\x00\x00\x00\x00": {{kind: signedLikeSlack}},
	} {
		for _, sig := range signings {
			header := http.Header{}
			sig.put(header, body, "run1", at, secret)
			if wrong := sig.wrong(header, body, at, secret); wrong != "signature: its secret is empty, so that anybody could have signed it" {
				t.Errorf("%s with secret %q: got %q", sig.kind, secret, wrong)
			}
		}
	}
}
