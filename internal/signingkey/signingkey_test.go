package signingkey_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/redact"
	"github.com/plumbline-dev/plumbline/internal/signingkey"
)

func text(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestRead(t *testing.T) {
	der := must[[]byte](t)
	rsaKey := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, signingkey.MinBits))
	p256 := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p384 := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1 := text("EC PRIVATE KEY", der(x509.MarshalECPrivateKey(p256)))
	parameters := text("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7}) // openssl writes them first
	tests := map[string]struct{ pem, algorithm, problem string }{
		"PKCS #8, RSA":     {text("PRIVATE KEY", der(x509.MarshalPKCS8PrivateKey(rsaKey))), "RS256", ""},
		"PKCS #1":          {text("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), "RS256", ""},
		"PKCS #8, ECDSA":   {text("PRIVATE KEY", der(x509.MarshalPKCS8PrivateKey(p256))), "ES256", ""},
		"SEC 1":            {sec1, "ES256", ""},
		"SEC 1 by openssl": {parameters + sec1, "ES256", ""},
		"without newline":  {strings.TrimSpace(sec1), "ES256", ""},
		"P-384":            {text("EC PRIVATE KEY", der(x509.MarshalECPrivateKey(p384))), "", "an ECDSA key on P-384, want P-256"},
		"Ed25519":          {text("PRIVATE KEY", der(x509.MarshalPKCS8PrivateKey(edwards))), "", "a private key of another kind, want RSA, or ECDSA on P-256"},
		"public":           {text("PUBLIC KEY", der(x509.MarshalPKIXPublicKey(&p256.PublicKey))), "", "no private key in PEM"},
		"old passphrase":   {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nbm90aGluZw==\n-----END RSA PRIVATE KEY-----", "", "a private key with a passphrase, want one without"},
		"cut":              {text("PRIVATE KEY", der(x509.MarshalPKCS8PrivateKey(p256))[:40]), "", "a private key that can't be read"},
		"nothing":          {"", "", "no private key in PEM"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			key, err := signingkey.Read(test.pem)
			if key.Algorithm != test.algorithm || (key.Signer != nil) != (test.algorithm != "") || (err != nil) != (test.problem != "") {
				t.Errorf("got %s, %v", key.Algorithm, err)
			}
			if err != nil && err.Error() != test.problem {
				t.Errorf("got %v, want %s", err, test.problem)
			}
			if err != nil && redact.Leaks(err.Error(), test.pem) != "" {
				t.Errorf("%v has the key in it", err)
			}
		})
	}
}
