package configs_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/internal/redact"
)

func workdayOf(t *testing.T, keys string) (*configs.Connection, []configs.Warning, error) {
	t.Helper()
	dir := t.TempDir()
	keysIn(t, dir)
	text := valid + "connections: {a: {kind: workday, " + keys + "}}"
	c, warnings, err := configs.Load(configs.Source{File: filepath.Join(dir, "p.yaml"), Data: []byte(text), Environ: []string{"S=hunter22hunter22"}})
	if err != nil {
		return nil, warnings, err
	}
	return c.Connections["a"], warnings, nil
}

func TestWorkdayAccounts(t *testing.T) {
	tests := map[string]struct {
		keys string
		want []string // origin, grant, client_auth, subject, audience, version
	}{
		"client":         {"host: WD5-services1.workday.com, tenant: acme, client_id: me, client_secret: {env: S}, refresh_token: {file: refresh}", []string{"https://wd5-services1.workday.com", "refresh_token", "body", "", "", "v44.2"}},
		"client, header": {"url: 'http://127.0.0.1:8090', tenant: acme_preview, client_id: me, client_secret: {env: S}, client_auth: header, refresh_token: {file: refresh}", []string{"http://127.0.0.1:8090", "refresh_token", "header", "", "", "v44.2"}},
		"assertion":      {"host: wd5.workday.com, tenant: acme, client_id: me, key: {file: key.pem}, user: ISU_PLUM@acme", []string{"https://wd5.workday.com", "jwt_bearer", "body", "ISU_PLUM", "wd", "v44.2"}},
		"subject":        {"host: wd5.workday.com, tenant: acme, client_id: me, key: {file: key.pem}, subject: lmcneil, audience: acme, key_id: k", []string{"https://wd5.workday.com", "jwt_bearer", "body", "lmcneil", "acme", "v44.2"}},
		"user":           {"host: wd5.workday.com, tenant: acme, user: ISU_PLUM@acme, password: {env: S}, version: v45.0", []string{"https://wd5.workday.com", "", "body", "", "", "v45.0"}},
	}
	for name, test := range tests {
		c, warnings, err := workdayOf(t, test.keys)
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v, warnings %v", name, err, warnings)
			continue
		}
		w := c.Provider.(*configs.Workday)
		if diff := cmp.Diff(test.want, []string{c.URL(), w.Grant(), w.ClientAuth, w.Subject, w.Audience, w.Version}); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if want := (configs.Rate{PerSecond: 10, Burst: 10}); *c.Rate != want {
			t.Errorf("%s: rate %v", name, *c.Rate)
		}
	}
}

// A refresh token may be all that somebody has; that its client is missing is told.
func TestWorkdayAccountsWithoutAClientAreWarnedOf(t *testing.T) {
	c, warnings, err := workdayOf(t, "host: wd5.workday.com, tenant: acme, refresh_token: {file: refresh}")
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0].Error(), "a has no client_id: Workday gives tokens to the API client that a refresh token is of") {
		t.Errorf("%v, warnings %v", err, warnings)
	}
	if kept := c.Provider.(*configs.Workday).RefreshToken.File(); filepath.Base(kept) != "refresh" {
		t.Errorf("the token is kept in %q", kept)
	}
}

func TestWorkdayAccountsThatAreRefused(t *testing.T) {
	const at = "host: wd5.workday.com, tenant: acme, "
	tests := map[string]struct{ keys, want string }{
		"nowhere":                  {"tenant: acme, user: u@acme, password: {env: S}", "a has no host (add host)"},
		"two places":               {"url: 'https://a.test', " + at + "user: u@acme, password: {env: S}", "both host and url, want one of them"},
		"an address":               {"host: 'https://wd5.workday.com', tenant: acme, user: u@acme, password: {env: S}", "is no host"},
		"a path":                   {"url: 'https://a.test/ccx', tenant: acme, user: u@acme, password: {env: S}", "a URL with a path"},
		"nobody's":                 {"host: wd5.workday.com, user: u@acme, password: {env: S}", "a has no tenant (add tenant)"},
		"a tenant that is a path":  {"host: wd5.workday.com, tenant: ../acme, user: u@../acme, password: {env: S}", `"../acme" is no tenant`},
		"nothing":                  {at + "client_id: me", "a has nothing to ask with (add client_id and refresh_token or key, or user and password)"},
		"nothing to get":           {at + "client_id: me, user: u@acme, password: {env: S}", "p.yaml:6:82: an API client without anything to get tokens for (add refresh_token or key)"},
		"two grants":               {at + "client_id: me, key: {file: key.pem}, user: u@acme, refresh_token: {file: refresh}", "both refresh_token and key, want one of them"},
		"nobody signs":             {at + "key: {file: key.pem}, user: u@acme", "a has no client_id (add client_id)"},
		"for nobody":               {at + "client_id: me, key: {file: key.pem}", "a has no user (add user)"},
		"a key that is none":       {at + "client_id: me, key: {env: S}, user: u@acme", "no private key in PEM"},
		"assertions without a key": {at + "client_id: me, refresh_token: {file: refresh}, audience: wd", "audience is of assertions, which nothing signs (add key, or remove it)"},
		"a secret of nobody":       {at + "client_secret: {env: S}, refresh_token: {file: refresh}", "client_secret of no client (add client_id)"},
		"auth how":                 {at + "client_id: me, client_auth: headers, refresh_token: {file: refresh}", `unknown client_auth "headers" (did you mean "header"?)`},
		"auth of nothing":          {at + "client_id: me, client_auth: header, refresh_token: {file: refresh}", "client_auth header without a secret (add client_secret)"},
		"a user of no tenant":      {at + "user: ISU_PLUM, password: {env: S}", `"ISU_PLUM" is no user of the tenant acme (write ISU_PLUM@acme)`},
		"a user of another tenant": {at + "user: ISU_PLUM@acme2, password: {env: S}", `"ISU_PLUM@acme2" is no user of the tenant acme`},
		"a user without password":  {at + "user: ISU_PLUM@acme, client_id: me, refresh_token: {file: refresh}", "a has no password (add password)"},
		"a password of nobody":     {at + "password: {env: S}", "a has no user (add user)"},
		"version":                  {at + "user: u@acme, password: {env: S}, version: '44.2'", `"44.2" is no version of the web services (write v44.2)`},
		"a secret in clear":        {at + "user: u@acme, password: hunter22", "a secret that is written out is refused"},
		"misspelt":                 {at + "user: u@acme, pasword: {env: S}", `unknown key "pasword" (did you mean "password"?)`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := workdayOf(t, test.keys)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "p.yaml:6:") {
				t.Errorf("got\n%v\nwant\n%s", err, test.want)
			}
			if leak := redact.Leaks(fmt.Sprint(err), "hunter22hunter22"); leak != "" {
				t.Error(leak)
			}
		})
	}
}
