package configs_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/internal/redact"
)

// keysIn writes a certificate and its key, another key, and a refresh token into a directory.
func keysIn(t *testing.T, dir string) (key string) {
	t.Helper()
	write := func(name, kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var keys []crypto.Signer
	for range 2 {
		made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, made)
	}
	for i, name := range []string{"key.pem", "other.pem"} {
		der, err := x509.MarshalPKCS8PrivateKey(keys[i])
		text := write(name, "PRIVATE KEY", der, err)
		if i == 0 {
			key = strings.TrimSpace(text)
		}
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "plumbline"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, keys[0].Public(), keys[0])
	write("certificate.pem", "CERTIFICATE", der, err)
	write("broken.pem", "CERTIFICATE", []byte("nothing"), nil)
	der, err = x509.MarshalPKCS8PrivateKey(rsaKey())
	write("rsa.pem", "PRIVATE KEY", der, err)
	der, err = x509.CreateCertificate(rand.Reader, template, template, rsaKey().Public(), rsaKey())
	write("rsa-certificate.pem", "CERTIFICATE", der, err)
	for name, text := range map[string]string{"refresh": "refresh-hunter22\n", "lines": "one-hunter22\ntwo"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return key
}

// rsaKey is a key of its own kind, made once.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

const everyConnection = `connections:
  client: {kind: oauth2, token_url: /token, client_id: me, client_secret: {env: S}, scopes: [a, b]}
  refresh: {kind: oauth2, grant: refresh_token, token_url: "https://login.test/token", client_id: me, client_secret: {env: S}, client_auth: header, refresh_token: {file: refresh}, url: "https://api.test"}
  jwt: {kind: oauth2, grant: jwt_bearer, token_url: /token, client_id: me, key: {file: key.pem}, key_id: k, audience: them}
  bearer: {kind: bearer, token: {env: S}, url: "https://api.test"}
  basic: {kind: basic, username: ann, password: {env: S}}
  header: {kind: header, name: X-Api-Key, value: {env: S}, rate: {per_second: 2.5}}
  mtls: {kind: mtls, certificate: certificate.pem, key: {file: key.pem}, authorities: certificate.pem, url: "https://api.test", rate: {per_second: 5, burst: 1}}
  aws: {kind: sigv4, region: eu-central-1, service: execute-api, access_key_id: {env: ID}, secret_access_key: {env: S}, session_token: {env: T}}
  darwinbox: {kind: darwinbox, host: acme.darwinbox.in, username: plum, password: {env: S}, api_key: {env: S}, dataset_key: {env: S}, employee: E042, messages: {no such key: credential}}
  slack: {kind: slack, token: {env: S}, team: T012}
  teams: {kind: teams, tenant: acme.onmicrosoft.com, client_id: plum, client_secret: {env: S}, team: t1}
  successfactors: {kind: successfactors, host: API10.successfactors.com, company: ACME, user: plumbline, client_id: YTNj, key: {file: rsa.pem}, certificate: rsa-certificate.pem, issuer: YTNj}
  webhook: {kind: webhook, address: {env: A}, signature: hmac, secret: {env: S}, header: X-Signature}
  workday: {kind: workday, host: wd5-services1.workday.com, tenant: acme, client_id: me, client_secret: {env: S}, refresh_token: {file: refresh}, user: ISU_PLUM@acme, password: {env: S}}
`

func TestEveryKindOfConnection(t *testing.T) {
	dir := t.TempDir()
	key := keysIn(t, dir)
	source := configs.Source{File: filepath.Join(dir, "p.yaml"), Data: []byte(valid + everyConnection), Environ: []string{"S=secret-hunter22", "ID=AKIDEXAMPLE", "T=session-hunter22", "A=https://hooks.test/hunter22"}}
	c := load(t, source)
	if len(c.Connections) != len(configs.ConnectionKinds())+2 {
		t.Errorf("%d connections", len(c.Connections))
	}
	refresh, jwt, mtls, aws := c.Connections["refresh"].OAuth2, c.Connections["jwt"].OAuth2, c.Connections["mtls"].MTLS, c.Connections["aws"].SigV4
	certificate, err := os.ReadFile(filepath.Join(dir, "certificate.pem"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{
		"client": []string{c.Connections["client"].OAuth2.Grant, c.Connections["client"].OAuth2.ClientAuth}, "refresh": []string{refresh.Grant, refresh.ClientAuth, refresh.RefreshToken.Reveal(), refresh.RefreshToken.File()},
		"jwt":    []string{jwt.Issuer, jwt.Subject, jwt.Audience, jwt.KeyID, jwt.Key.Reveal()},
		"header": *c.Connections["header"].Rate, "mtls": []string{mtls.Certificate, mtls.Key.Reveal(), mtls.Chain, mtls.Roots}, "mtls rate": *c.Connections["mtls"].Rate,
		"aws": []string{aws.AccessKeyID.Reveal(), aws.SecretAccessKey.Reveal(), aws.SessionToken.Reveal()}, "no rate": c.Connections["aws"].Rate,
		"url": c.Connections["refresh"].URL() + c.Connections["bearer"].URL() + c.Connections["mtls"].URL() + c.Connections["basic"].URL(),
	}
	want := map[string]any{
		"client": []string{"client_credentials", "body"}, "refresh": []string{"refresh_token", "header", "refresh-hunter22", filepath.Join(dir, "refresh")},
		"jwt":    []string{"me", "me", "them", "k", key},
		"header": configs.Rate{PerSecond: 2.5, Burst: 3}, "mtls": []string{filepath.Join(dir, "certificate.pem"), key, string(certificate), string(certificate)},
		"mtls rate": configs.Rate{PerSecond: 5, Burst: 1}, "aws": []string{"AKIDEXAMPLE", "secret-hunter22", "session-hunter22"}, "no rate": (*configs.Rate)(nil),
		"url": strings.Repeat("https://api.test", 3),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, secret := range []string{key, "secret-hunter22", "session-hunter22", "refresh-hunter22"} {
		if !strings.Contains(strings.Join(c.Secrets(), "\n"), secret) {
			t.Errorf("the redactor isn't told of a secret of %d bytes", len(secret))
		}
	}
	if leak := redact.Leaks(fmt.Sprintf("%v %+v %#v %s", c, mtls, aws, c.Canonical()), c.Secrets()...); leak != "" {
		t.Error(leak)
	}
	// Without secrets, no file need be at hand.
	source.File, source.WithoutSecrets, source.Environ = "/nowhere/p.yaml", true, nil
	if c := load(t, source); c.Connections["mtls"].MTLS.Chain != "" || c.Connections["refresh"].OAuth2.RefreshToken.Reveal() != "" {
		t.Error("secrets were read")
	}
}

func TestConnectionsThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	keysIn(t, dir)
	const oauth = "kind: oauth2, token_url: /t, client_id: me"
	const sap = "kind: successfactors, host: api10.successfactors.com, company: C, user: u, client_id: i"
	tests := map[string]struct{ keys, want string }{
		"unknown grant":           {oauth + ", grant: refresh_tokn", `p.yaml:6:70: unknown grant "refresh_tokn" (did you mean "refresh_token"?)`},
		"nothing to refresh with": {oauth + ", grant: refresh_token", "p.yaml:6:15: a has no refresh_token (add refresh_token)"},
		"no secret":               {oauth, "a has no client_secret (add client_secret)"},
		"no client":               {"kind: oauth2, token_url: /t, grant: refresh_token, refresh_token: {env: S}", "a has no client_id (add client_id)"},
		"no key":                  {oauth + ", grant: jwt_bearer", "a has no key (add key)"},
		"no issuer":               {"kind: oauth2, token_url: /t, grant: jwt_bearer, key: {file: key.pem}", "a has no issuer (add issuer, or client_id if that is the same)"},
		"key of another grant":    {oauth + ", client_secret: {env: S}, key: {file: key.pem}", "key is not for grant client_credentials (remove it, or write grant: jwt_bearer)"},
		"token of another grant":  {oauth + ", client_secret: {env: S}, refresh_token: {env: S}", "refresh_token is not for grant client_credentials (remove it, or write grant: refresh_token)"},
		"issuer of another grant": {oauth + ", grant: refresh_token, refresh_token: {env: S}, issuer: me", "issuer is not for grant refresh_token (remove it, or write grant: jwt_bearer)"},
		"unknown client_auth":     {oauth + ", client_secret: {env: S}, client_auth: headers", `unknown client_auth "headers" (did you mean "header"?)`},
		"nobody in the header":    {oauth + ", grant: refresh_token, refresh_token: {env: S}, client_auth: header", "client_auth header without both of them (add client_id and client_secret)"},
		"a key that is none":      {oauth + ", grant: jwt_bearer, key: {env: S}", "p.yaml:6:87: no private key in PEM (make one: openssl ecparam -name prime256v1 -genkey -noout)"},
		"a key with a passphrase": {oauth + ", grant: jwt_bearer, key: {env: LOCKED}", "a private key with a passphrase, want one without"},
		"misspelt key":            {oauth + ", client_sceret: {env: S}", `unknown key "client_sceret" (did you mean "client_secret"?)`},

		"header without name":              {"kind: header, value: {env: S}", "a has no name (add name)"},
		"header without value":             {"kind: header, name: X-Key", "a has no value (add value)"},
		"header that can't be":             {`kind: header, name: "X Key", value: {env: S}`, `p.yaml:6:39: "X Key" is no name of a header, want one such as X-Api-Key`},
		"header of the transport":          {"kind: header, name: host, value: {env: S}", "header Host is not for connections to set"},
		"header of two lines":              {"kind: header, name: X-Key, value: {file: lines}", "a secret that no header can carry: it has a line break"},
		"user with a colon":                {"kind: basic, username: 'a:b', password: {env: S}", "p.yaml:6:42: a username with a colon, which would begin the password"},
		"certificate without key":          {"kind: mtls, certificate: certificate.pem", "a has no key (add key)"},
		"key without certificate":          {"kind: mtls, key: {file: key.pem}", "a has no certificate (add certificate)"},
		"assertion of another kind of key": {sap + ", key: {file: key.pem}", "an ECDSA key, want RSA (make one: openssl genrsa 2048"},
		"assertion of no key":              {sap + ", key: {env: S}", "no private key in PEM (make one: openssl genrsa 2048"},
		"assertion with a passphrase":      {sap + ", key: {env: LOCKED}", "a private key with a passphrase, want one without"},
		"assertion of another certificate": {sap + ", key: {file: rsa.pem}, certificate: certificate.pem", "the certificate is of another key"},
		"assertion without certificate":    {sap + ", key: {file: rsa.pem}, certificate: gone.pem", "gone.pem: no such file or directory"},
		"certificate of another key":       {"kind: mtls, certificate: certificate.pem, key: {file: other.pem}", "certificate and key: private key does not match public key"},
		"certificate that isn't there":     {"kind: mtls, certificate: gone.pem, key: {file: key.pem}", "gone.pem: no such file or directory"},
		"certificate that is a key":        {"kind: mtls, certificate: key.pem, key: {file: key.pem}", "key.pem has no certificate in PEM (want -----BEGIN CERTIFICATE-----)"},
		"certificate that is broken":       {"kind: mtls, certificate: broken.pem, key: {file: key.pem}", "broken.pem has a certificate that can't be read"},
		"certificate that is a place":      {"kind: mtls, certificate: ., key: {file: key.pem}", "is no file of certificates"},
		"authorities that are none":        {"kind: mtls, certificate: certificate.pem, key: {file: key.pem}, authorities: key.pem", "key.pem has no certificate in PEM"},
		"certificate in clear":             {"kind: mtls, certificate: certificate.pem, key: {file: key.pem}, url: 'http://api.test'", "a client certificate goes over https alone (write https://)"},
		"signature of nobody":              {"kind: sigv4, region: r, service: s, secret_access_key: {env: S}", "a has no access_key_id (add access_key_id)"},
		"signature without secret":         {"kind: sigv4, region: r, service: s, access_key_id: {env: S}", "a has no secret_access_key"},
		"signature of nowhere":             {"kind: sigv4, service: s, access_key_id: {env: S}, secret_access_key: {env: S}", "a has no region"},
		"signature for nothing":            {"kind: sigv4, region: r, access_key_id: {env: S}, secret_access_key: {env: S}", "a has no service"},
		"a URL that is none":               {"kind: header, name: X-Key, value: {env: S}, url: api.test", "no absolute URL, want https://HOST"},

		"rate of nothing":    {"kind: bearer, token: {env: S}, rate: {}", "0 a second, want more than 0 and at most 100000 (write rate: {per_second: 5})"},
		"rate below nothing": {"kind: bearer, token: {env: S}, rate: {per_second: -1}", "p.yaml:6:69: -1 a second, want more than 0"},
		"burst of nothing":   {"kind: bearer, token: {env: S}, rate: {per_second: 1, burst: 0}", "0 at once, want 1 or more"},
		"misspelt rate":      {"kind: bearer, token: {env: S}, rate: {per_secnd: 1}", `unknown key "per_secnd" (did you mean "per_second"?)`},
		"rate that is none":  {"kind: bearer, token: {env: S}, rate: {per_second: many}", `"many", want a number`},
		"rate in short":      {"kind: bearer, token: {env: S}, rate: 5", `"5", want a map with burst or per_second`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, "p.yaml")
			locked := "LOCKED=-----BEGIN ENCRYPTED PRIVATE KEY-----\nbm90aGluZw==\n-----END ENCRYPTED PRIVATE KEY-----"
			c, _, err := configs.Load(configs.Source{File: file, Data: []byte(valid + "connections: {a: {" + tt.keys + "}}"), Environ: []string{"S=hunter22hunter22", locked}})
			if err == nil || c != nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got\n%v\nwant\n%s", err, tt.want)
			}
			if leak := redact.Leaks(fmt.Sprint(err), "hunter22", "bm90aGluZw=="); leak != "" {
				t.Errorf("%s: %s", leak, err)
			}
			if !strings.HasPrefix(fmt.Sprint(err), file+":6:") {
				t.Errorf("%v has no place", err)
			}
		})
	}
}

func TestAccountsOfSuccessFactors(t *testing.T) {
	dir := t.TempDir()
	keysIn(t, dir)
	source := configs.Source{File: filepath.Join(dir, "p.yaml"), Data: []byte(valid + everyConnection), Environ: []string{"S=secret-hunter22", "ID=AKIDEXAMPLE", "T=session-hunter22", "A=https://hooks.test/hunter22"}}
	account := load(t, source).Connections["successfactors"]
	is := account.Provider.(*configs.SuccessFactors)
	if account.URL() != "https://api10.successfactors.com" || is.Issuer != "YTNj" || !rsaKey().PublicKey.Equal(is.Registered.PublicKey) || *account.Rate != (configs.Rate{PerSecond: 2, Burst: 10}) {
		t.Errorf("%s: %+v", account.URL(), is)
	}
	source.Data = []byte(valid + "connections: {a: {kind: successfactors, host: h.test, company: C, user: u, password: {env: S}}}")
	_, warnings, err := configs.Load(source)
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0].Error(), "p.yaml:6:86: warning: SAP scheduled logins with a password for deletion on 20 November 2026") {
		t.Errorf("%v: %v", warnings, err)
	}
}
