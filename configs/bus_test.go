package configs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/internal/redact"
)

// seed looks like one of an nkey.
const seed = "SUAHUNTER22HUNTER22HUNTER22HUNTER22HUNTER22HUNTER22HUNTER2"

// clustered is a configuration beside certificates and credentials, whose files it returns.
func clustered(t *testing.T, bus string) configs.Source {
	t.Helper()
	dir := t.TempDir()
	keysIn(t, dir)
	for name, mode := range map[string]os.FileMode{"validator.creds": 0o600, "open.creds": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("-----BEGIN USER NKEY SEED-----\n"+seed+"\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "open.pem"), []byte("nothing"), 0o640); err != nil {
		t.Fatal(err)
	}
	return configs.Source{File: filepath.Join(dir, "p.yaml"), Data: []byte(strings.Replace(valid, "bus: {store: data}", "bus: "+bus, 1))}
}

func TestABusOfManyServers(t *testing.T) {
	s := clustered(t, `{url: "tls://one:4222,tls://two:4222", credentials: validator.creds, inbox_prefix: _INBOX_validator, replicas: 3,
  tls: {authorities: certificate.pem, certificate: certificate.pem, key: key.pem}}`)
	c := load(t, s)
	in := func(name string) string { return filepath.Join(filepath.Dir(s.File), name) }
	want := configs.Bus{URL: "tls://one:4222,tls://two:4222", Credentials: in("validator.creds"), InboxPrefix: "_INBOX_validator", Replicas: 3,
		Prefix: "plumbline", Keep: configs.DefaultKeep, TLS: configs.TLS{Authorities: in("certificate.pem"), Certificate: in("certificate.pem"), Key: in("key.pem")}}
	if diff := cmp.Diff(want, c.Bus); diff != "" {
		t.Error(diff)
	}
	key, err := os.ReadFile(in("key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if shown := redact.New(c.Secrets()...).String("a seed " + seed + " and a key " + string(key)); shown != "a seed "+redact.Mark+" and a key "+redact.Mark+"\n" &&
		shown != "a seed "+redact.Mark+" and a key "+redact.Mark {
		t.Errorf("the log would say %q", shown)
	}
}

func TestABusWithFilesThatWontDo(t *testing.T) {
	tests := map[string]struct{ bus, want string }{
		"credentials for everybody":    {"{url: tls://h, credentials: open.creds}", "open.creds has mode 0644: others can read it (chmod 600 "},
		"a key for some":               {"{url: tls://h, tls: {certificate: certificate.pem, key: open.pem}}", "open.pem has mode 0640: others can read it"},
		"a key of another certificate": {"{url: tls://h, tls: {certificate: certificate.pem, key: other.pem}}", "certificate and key: private key does not match public key"},
		"authorities that are a key":   {"{url: tls://h, tls: {authorities: key.pem}}", "key.pem has no certificate in PEM"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := clustered(t, tt.bus)
			if _, _, err := configs.Load(s); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), s.File+":1:") {
				t.Errorf("got %v, want %s:1:…: %s", err, s.File, tt.want)
			}
			s.WithoutSecrets = true
			if _, _, err := configs.Load(s); err != nil {
				t.Errorf("without secrets: %v", err)
			}
		})
	}
}
