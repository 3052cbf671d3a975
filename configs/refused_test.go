package configs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/internal/redact"
)

func TestRefuses(t *testing.T) {
	change := func(old, new string) string {
		if !strings.Contains(valid, old) {
			t.Fatalf("no %q to change", old)
		}
		return strings.Replace(valid, old, new, 1)
	}
	service := func(lines string) string { return valid + "    " + lines + "\n" }
	tests := []struct {
		name string
		yaml string
		env  []string
		want string
	}{
		{"unknown key", valid + "lissten: x", nil, `p.yaml:6:1: unknown key "lissten" (did you mean "listen"?)`},
		{"key of another day", valid + "people: []", nil, `p.yaml:6:1: unknown key "people" (want bus, connections, limits, listen, log, public_url, receiver, reporters, secrets, services, shutdown_grace or tokens)`},
		{"unknown key below", service("gate: {valid_fr: 3m}"), nil, `p.yaml:6:12: unknown key "valid_fr" (did you mean "valid_for"?)`},
		{"wrong type", service("gate: {valid_for: soon}"), nil, `p.yaml:6:23: "soon", want a duration`},
		{"no map", "[]", nil, "p.yaml:1:1: a list, want a map with "},
		{"empty", "", nil, "p.yaml: is empty"},
		{"nothing", "log: {level: info}", nil, `p.yaml: neither url nor store (name the bus: url: nats://HOST:4222, or embed one: store: ../data)`},
		{"no services", "bus: {store: x}", nil, "no services (add one under services)"},
		{"bad name", change("plum:", "Plum:"), nil, `p.yaml:3:3: "Plum" is no name`},
		{"third color", change("blue:", "red:"), nil, `p.yaml:4:20: unknown color "red", want blue or green`},
		{"one color", change(`blue: {url: "http://b.test"}, `, ""), nil, `plum has no blue environment (add blue: {url: https://…})`},
		{"same URL", change("b.test", "g.test"), nil, "p.yaml:4:63: blue and green have the same URL"},
		{"no URL", change(`"http://b.test"`, "b.test"), nil, "p.yaml:4:32: no absolute URL, want https://HOST or http://HOST:PORT"},
		{"URL with a secret", change("http://b.test", "http://u:hunter22@b.test"), nil, "p.yaml:4:32: a URL with a secret in it (make a connection of kind basic)"},
		{"URL with a query", change("http://b.test", "http://b.test?a=b"), nil, "p.yaml:4:32: a URL with a query or fragment"},
		{"no suites", change("    suites: [s]\n", ""), nil, "plum has no suites: nothing would be asked"},
		{"bad shipped suite", change("[s]", "[shipped:Plum]"), nil, `p.yaml:5:14: "shipped:Plum" is no suite`},
		{"new without live", service("new: true"), nil, "p.yaml:6:10: plum is new and nobody says which color is live (add live: blue, or whichever takes traffic)"},
		{"live is no color", service("live: {color: red}"), nil, `p.yaml:6:19: unknown color "red", want blue or green`},
		{"live is no color, in short", service("live: red"), nil, `p.yaml:6:11: unknown color "red", want blue or green`},
		{"zero deadline", service("deadline: 0s"), nil, "p.yaml:6:15: 0s, want more than 0s"},
		{"zero valid_for", service("gate: {valid_for: 0s}"), nil, "0s, want more than 0s"},
		{"negative retain", service("standby: {retain: -1h}"), nil, `p.yaml:6:23: `},
		{"bad schedule", service(`standby: {schedule: "* * * *"}`), nil, `p.yaml:6:25: "* * * *": expected 5 to 6 fields, found 4: [* * * *] (want 5 fields`},
		{"schedule that never comes", service(`standby: {schedule: "0 0 30 2 *"}`), nil, `"0 0 30 2 *" never comes`},
		{"schedule with a zone", service(`standby: {schedule: "TZ=UTC"}`), nil, `"TZ=UTC" is no schedule`},
		{"schedule by word", service(`standby: {schedule: "@daily"}`), nil, `"@daily" is no schedule`},
		{"bad zone", service("standby: {time_zone: Mars/Olympus}"), nil, `p.yaml:6:26: unknown time zone "Mars/Olympus", want one such as UTC`},
		{"bad rollback", service("gate: {rollback: wran}"), nil, `p.yaml:6:22: unknown rollback "wran" (did you mean "warn"?)`},
		{"observe for ever", service("gate: {mode: observe}"), nil, "mode observe without an end (add until: DATE)"},
		{"until without observe", service("gate: {until: 2026-12-01}"), nil, "until is for mode: observe alone"},
		{"until when", service("gate: {mode: observe, until: tomorrow}"), nil, `"tomorrow", want a date such as 2026-12-01`},
		{"connection of a color", change(`{url: "http://b.test"}`, `{url: "http://b.test", connections: {a: b}}`), nil, `p.yaml:4:66: unknown connection "b"`},
		{"allowed nowhere", change(`{url: "http://b.test"}`, `{url: "http://b.test", allow: ["10.0.0.0/40"]}`), nil, `p.yaml:4:57: "10.0.0.0/40" is no host and no network (write db.plum.internal or 10.2.0.0/16)`},
		{"wait without an end", service("on_shared_failure: wait"), nil, "p.yaml:6:24: on_shared_failure wait without wait_for (add wait_for: 10m)"},
		{"wait_for what", service("wait_for: 10m"), nil, "p.yaml:6:15: wait_for without on_shared_failure wait (write on_shared_failure: wait)"},
		{"shared how", service("on_shared_failure: ignore"), nil, `p.yaml:6:24: unknown on_shared_failure "ignore"`},
		{"shared by a connection", valid + "connections: {a: {kind: bearer, token: {env: S}, on_shared_failure: wait}}", []string{"S=hunter22"}, "on_shared_failure wait without wait_for"},
		{"slack with nothing", valid + "connections: {a: {kind: slack}}", nil, "p.yaml:6:15: a has nothing to ask with (add token: {file: PATH}, or webhook: {file: PATH})"},
		{"slack twice", valid + "connections: {a: {kind: slack, token: {env: S}, webhook: {env: S}}}", []string{"S=hunter22"}, "both token and webhook, want one of them"},
		{"slack of a name", valid + "connections: {a: {kind: slack, token: {env: S}, team: acme}}", []string{"S=hunter22"}, `"acme" is no id of a team (it begins with T)`},
		{"darwinbox without an account", valid + "connections: {a: {kind: darwinbox, host: acme.darwinbox.in, api_key: {env: S}, dataset_key: {env: S}}}", []string{"S=hunter22"}, "a has no username (add username)"},
		{"darwinbox twice", valid + "connections: {a: {kind: darwinbox, host: acme.darwinbox.in, username: u, password: {env: S}, code: {env: S}, api_key: {env: S}, dataset_key: {env: S}}}", []string{"S=hunter22"}, "both a user and a client of OAuth"},
		{"darwinbox that means nothing", valid + "connections: {a: {kind: darwinbox, host: acme.darwinbox.in, username: u, password: {env: S}, api_key: {env: S}, dataset_key: {env: S}, messages: {bad key: credentials}}}", []string{"S=hunter22"}, `unknown class "credentials" (did you mean "credential"?)`},
		{"darwinbox nowhere", valid + "connections: {a: {kind: darwinbox, username: u, password: {env: S}, api_key: {env: S}, dataset_key: {env: S}}}", []string{"S=hunter22"}, "a has no host (add host)"},
		{"teams with nothing", valid + "connections: {a: {kind: teams}}", nil, "p.yaml:6:15: a has nothing to ask with (add workflow: {file: PATH}, or tenant, client_id and client_secret)"},
		{"teams twice", valid + "connections: {a: {kind: teams, workflow: {env: S}, tenant: t}}", []string{"S=https://x.test/hunter22"}, "both a workflow and an app, want one of them"},
		{"teams of two kinds", valid + "connections: {a: {kind: teams, workflow: {env: S}, login: 'https://login.test'}}", []string{"S=https://x.test/hunter22"}, "both a workflow and an app, want one of them"},
		{"teams of a path", valid + "connections: {a: {kind: teams, tenant: 'acme/x', client_id: c, client_secret: {env: S}}}", []string{"S=hunter22"}, `"acme/x" is no tenant, want an id or a domain`},
		{"teams without a secret", valid + "connections: {a: {kind: teams, tenant: t, client_id: c}}", nil, "a has no client_secret (add client_secret)"},
		{"successfactors with nothing", valid + "connections: {a: {kind: successfactors, host: api10.successfactors.com, company: C, user: u}}", nil, "p.yaml:6:15: a has nothing to log in with (add client_id and key: {file: PATH})"},
		{"successfactors without client", valid + "connections: {a: {kind: successfactors, host: h.test, company: C, user: u, key: {env: S}}}", []string{"S=hunter22"}, "a has no client_id (add client_id)"},
		{"successfactors nowhere", valid + "connections: {a: {kind: successfactors, company: C, user: u, client_id: i, key: {env: S}}}", []string{"S=hunter22"}, "a has no host (add host)"},
		{"successfactors of nobody", valid + "connections: {a: {kind: successfactors, host: h.test, client_id: i, key: {env: S}}}", []string{"S=hunter22"}, "a has no company (add company)"},
		{"successfactors twice", valid + "connections: {a: {kind: successfactors, host: h.test, company: C, user: u, client_id: i, key: {env: S}, password: {env: S}}}", []string{"S=hunter22"}, "both key and password, want one of them"},
		{"successfactors with the company", valid + "connections: {a: {kind: successfactors, host: h.test, company: C, user: u@C, password: {env: S}}}", []string{"S=hunter22"}, "p.yaml:6:73: a user with the company, which has a key of its own (write user: u)"},
		{"successfactors by password", valid + "connections: {a: {kind: successfactors, host: h.test, company: C, user: u, client_id: i, password: {env: S}}}", []string{"S=hunter22"}, "client_id is of logins with a key (remove it, or write key instead of password)"},
		{"successfactors of no URL", valid + "connections: {a: {kind: successfactors, host: h.test, company: C, user: u, client_id: i, key: {env: S}, recipient: h.test}}", []string{"S=hunter22"}, "no absolute URL, want https://HOST"},
		{"successfactors in lines", valid + `connections: {a: {kind: successfactors, host: h.test, company: "C\n", user: u, client_id: i, key: {env: S}}}`, []string{"S=hunter22"}, "company has a control character, which no assertion can carry"},
		{"webhook to nowhere", valid + "connections: {a: {kind: webhook}}", nil, "p.yaml:6:15: a has no address (add address)"},
		{"webhook that signs nothing", valid + "connections: {a: {kind: webhook, address: {env: S}, secret: {env: S}}}", []string{"S=https://hooks.test/hunter22"}, "a secret that nothing is signed with"},
		{"webhook signed how", valid + "connections: {a: {kind: webhook, address: {env: S}, secret: {env: S}, signature: hmca}}", []string{"S=https://hooks.test/hunter22"}, `unknown signature "hmca" (did you mean "hmac"?)`},
		{"webhook without a header", valid + "connections: {a: {kind: webhook, address: {env: S}, secret: {env: S}, signature: hmac}}", []string{"S=https://hooks.test/hunter22"}, "needs the header that it stands in (add header: X-Signature)"},
		{"webhook that is signed too well", valid + "connections: {a: {kind: webhook, address: {env: S}, secret: {env: S}, signature: slack, hash: sha1}}", []string{"S=https://hooks.test/hunter22"}, "header, prefix, encoding and hash are of signature hmac alone"},
		{"webhook signed by what", valid + "connections: {a: {kind: webhook, address: {env: S}, secret: {env: S}, signature: hmac, header: X-Signature, hash: md5}}", []string{"S=https://hooks.test/hunter22"}, `unknown hash "md5"`},
		{"webhook signed where", valid + "connections: {a: {kind: webhook, address: {env: S}, secret: {env: S}, signature: hmac, header: host}}", []string{"S=https://hooks.test/hunter22"}, `"host" is no header for a signature, want one such as X-Signature`},
		{"webhook that is no URL", valid + "connections: {a: {kind: webhook, address: {env: S}}}", []string{"S=hooks-hunter22"}, "address is no absolute URL"},
		{"connection without kind", valid + "connections: {a: {url: x}}", nil, "p.yaml:6:15: no kind (want kind: " + strings.Join(configs.ConnectionKinds(), "|") + ")"},
		{"connection of unknown kind", valid + "connections: {a: {kind: oauth}}", nil, `p.yaml:6:25: unknown kind "oauth" (did you mean "oauth2"?)`},
		{"key of another kind", valid + "connections: {a: {kind: basic, token: {env: X}}}", nil, `p.yaml:6:32: unknown key "token"`},
		{"connection without secret", valid + "connections: {a: {kind: bearer}}", nil, "a has no token (add token)"},
		{"token_url", valid + "connections: {a: {kind: oauth2, client_id: x, client_secret: {env: S}, token_url: //evil.test/x}}", []string{"S=secret"}, "no absolute URL"},
		{"secret written out", valid + "connections: {a: {kind: bearer, token: hunter22}}", nil, "p.yaml:6:40: a secret that is written out is refused (write {env: NAME} or {file: PATH})"},
		{"secret from two places", valid + "connections: {a: {kind: bearer, token: {env: X, file: y}}}", nil, "a secret from both env and file, want one of them"},
		{"secret from nowhere", valid + "connections: {a: {kind: bearer, token: {}}}", nil, "a secret from nowhere"},
		{"secret that isn't set", valid + "connections: {a: {kind: bearer, token: {env: X}}}", nil, "p.yaml:6:40: the environment variable X isn't set (export X=…, or write {file: PATH})"},
		{"secret for a name", valid + "connections: {a: {kind: bearer, token: {env: hunter22-secret}}}", nil, "env wants the name of an environment variable, not the secret"},
		{"secret too short", valid + "connections: {a: {kind: bearer, token: {env: X}}}", []string{"X= abc "}, "a secret of 3 characters, want at least 4"},
		{"secret file that isn't there", valid + "connections: {a: {kind: bearer, token: {file: /nowhere/x}}}", nil, "/nowhere/x: no such file or directory"},
		{"secret for everybody", valid + "secrets: {key: {env: X}}", []string{"X=hunter22"}, "a secret without hosts (name who may have it: hosts: [api.example.com])"},
		{"secret for any host", valid + `secrets: {key: {env: X, hosts: ["*.test"]}}`, []string{"X=hunter22"}, `"*.test" is no host`},
		{"reporter of unknown kind", valid + "reporters: {a: {kind: slcak}}", nil, `unknown kind "slcak" (did you mean "slack"?)`},
		{"reporter to nowhere", valid + "reporters: {a: {kind: slack}}", nil, "nowhere to write to"},
		{"reporter with two ways", valid + "reporters: {a: {kind: slack, token: {env: X}, webhook: {env: X}}}", []string{"X=hunter22"}, "both webhook and token"},
		{"reporter without channel", valid + "reporters: {a: {kind: slack, token: {env: X}}}", []string{"X=hunter22"}, "a has no channel"},
		{"reporter about nothing", valid + "reporters: {a: {kind: slack, webhook: {env: X}, on: {service: [plumm]}}}", []string{"X=hunter22"}, `unknown service "plumm" (did you mean "plum"?)`},
		{"reporter of no outcome", valid + "reporters: {a: {kind: slack, webhook: {env: X}, on: {outcome: [failed]}}}", []string{"X=hunter22"}, `unknown outcome "failed"`},
		{"token written out", valid + "tokens: [hunter22hunter22]", nil, "p.yaml:6:10: no token, want a map with name, roles and token"},
		{"tokens of one name", valid + "tokens: [{name: ci, roles: [gate], token: {env: X}}, {name: ci, roles: [gate], token: {env: Y}}]",
			[]string{"X=hunter22hunter22", "Y=hunter22hunter23"}, `p.yaml:6:54: a second token with the name "ci"`},
		{"tokens of one value", valid + "tokens: [{name: ci, roles: [gate], token: {env: X}}, {name: cd, roles: [gate], token: {env: X}}]",
			[]string{"X=hunter22hunter22"}, "tokens ci and cd are the same"},
		{"token that can be guessed", valid + "tokens: [{name: ci, roles: [gate], token: {env: X}}]", []string{"X=hunter22"}, "token ci has 8 characters, want at least 16"},
		{"token without secret", valid + "tokens: [{name: ci, roles: [gate]}]", nil, "token ci has no secret"},
		{"unknown role", valid + "tokens: [{name: ci, roles: [gates], token: {env: X}}]", []string{"X=hunter22hunter22"}, `unknown role "gates" (did you mean "gate"?)`},
		{"beyond loopback without tokens", valid + "listen: :8080", nil, `p.yaml:6:9: ":8080" is beyond loopback, and there are no tokens: anybody could ask (add tokens, or listen on 127.0.0.1)`},
		{"no address", valid + "listen: 8080", nil, `"8080", want HOST:PORT`},
		{"bus beyond loopback", change("{store: data}", "{store: data, listen: 0.0.0.0:4222}"), nil, `p.yaml:1:28: the embedded bus has no accounts, and "0.0.0.0:4222" is beyond loopback`},
		{"bus with a secret", change("{store: data}", "{url: nats://u:hunter22@h:4222}"), nil, "p.yaml:1:12: a URL with a secret in it (use credentials: FILE)"},
		{"bus over http", change("{store: data}", "{url: http://h}"), nil, "no URL of a bus"},
		{"bus with a bad prefix", change("{store: data}", "{store: data, prefix: A.B}"), nil, `"A.B" is no name`},
		{"verdicts that are kept too short", change("{store: data}", "{store: data, keep: 24h}"), nil, `p.yaml:1:26: 24h0m0s, want at least 720h0m0s: events are kept as long`},
		{"bus with a wildcard for answers", change("{store: data}", "{url: nats://h, inbox_prefix: a.*}"), nil, `p.yaml:1:36: "a.*" is no prefix of subjects, want one such as _INBOX_validator`},
		{"bus of two replicas", change("{store: data}", "{url: nats://h, replicas: 2}"), nil, "p.yaml:1:32: 2, want 1, 3 or 5: an even number outlives no more failures"},
		{"replicas of an embedded bus", change("{store: data}", "{store: data, replicas: 3}"), nil, "p.yaml:1:30: replicas without url: the embedded bus takes none"},
		{"a certificate for an embedded bus", change("{store: data}", "{store: data, tls: {authorities: x}}"), nil, "tls without url"},
		{"a certificate without key", change("{store: data}", "{url: tls://h, tls: {certificate: x}}"), nil, "p.yaml:1:40: a certificate without its key (add key: FILE)"},
		{"a key without certificate", change("{store: data}", "{url: tls://h, tls: {key: x}}"), nil, "a key without its certificate (add certificate: FILE)"},
		{"misspelt authorities", change("{store: data}", "{url: tls://h, tls: {authority: x}}"), nil, `p.yaml:1:27: unknown key "authority" (did you mean "authorities"?)`},
		{"authorities that aren't there", change("{store: data}", "{url: tls://h, tls: {authorities: none.pem}}"), nil, "p.yaml:1:40: none.pem: no such file or directory"},
		{"credentials for nobody", change("{store: data}", "{store: data, credentials: x}"), nil, "credentials without url"},
		{"no size", valid + "limits: {body: 2MB}", nil, `p.yaml:6:16: "2MB", want a size such as 512KiB or 2MiB`},
		{"zero concurrency", valid + "limits: {concurrency: 0}", nil, "p.yaml:6:23: 0, want 1 or more"},
		{"bad level", valid + "log: {level: trace}", nil, `unknown level "trace"`},
		{"alias", valid + "log: &a {level: info}", nil, "anchors such as &a are refused"},

		{"misspelt variable", valid, []string{"PLUMBLINE_BUS__STROE=x"}, `PLUMBLINE_BUS__STROE: unknown key "stroe" (did you mean "store"?)`},
		{"misspelt variable at the top", valid, []string{"PLUMBLINE__LISTN=x"}, `PLUMBLINE__LISTN: unknown key "listn" (did you mean "listen"?)`},
		{"variable of an unknown service", valid, []string{"PLUMBLINE_SERVICES__PLUMM__DEADLINE=3m"}, "PLUMBLINE_SERVICES__PLUMM__DEADLINE: plumm has no blue environment"},
		{"variable of the wrong type", valid, []string{"PLUMBLINE_SERVICES__PLUM__DEADLINE=soon"}, `PLUMBLINE_SERVICES__PLUM__DEADLINE: "soon", want a duration`},
		{"variable that should be a list", valid, []string{"PLUMBLINE_SERVICES__PLUM__SUITES=a"}, `PLUMBLINE_SERVICES__PLUM__SUITES: "a", want a list (write [one, two])`},
		{"variable that can't be meant", valid, []string{"PLUMBLINE__LISTEN=0.0.0.0:80"}, `PLUMBLINE__LISTEN: "0.0.0.0:80" is beyond loopback`},
		{"variable for a whole and one for its part", valid, []string{"PLUMBLINE_SERVICES__PLUM__LIVE__VERSION=1", "PLUMBLINE_SERVICES__PLUM__LIVE=green"},
			"PLUMBLINE_SERVICES__PLUM__LIVE__VERSION: is set as a whole, too (by PLUMBLINE_SERVICES__PLUM__LIVE)"},
		{"empty variable", valid, []string{"PLUMBLINE__LISTEN="}, "PLUMBLINE__LISTEN: is empty (unset it, or give it a value)"},
		{"variable without key", valid, []string{"PLUMBLINE_BUS__=x"}, "PLUMBLINE_BUS__: names no key"},
		{"variable that is no YAML", valid, []string{"PLUMBLINE_SERVICES__PLUM__SUITES=[a, &b c]"}, "PLUMBLINE_SERVICES__PLUM__SUITES: column 5: anchors such as &b are refused"},
		{"secret in a variable", valid + "connections: {a: {kind: bearer, token: {env: X}}}", []string{"PLUMBLINE_CONNECTIONS__A__TOKEN=hunter22", "X=hunter22"},
			"PLUMBLINE_CONNECTIONS__A__TOKEN: a secret that is written out is refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _, err := configs.Load(configs.Source{File: "p.yaml", Data: []byte(tt.yaml), Environ: tt.env})
			if err == nil || c != nil {
				t.Fatalf("got %v and %v, want an error alone", c, err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got\n%s\nwant\n%s", err, tt.want)
			}
			if leak := redact.Leaks(err.Error(), "hunter22"); leak != "" {
				t.Errorf("%s: %s", leak, err)
			}
		})
	}
}

func TestEverythingWrongIsToldAtOnce(t *testing.T) {
	_, _, err := configs.Load(configs.Source{File: "p.yaml", Data: []byte(valid + "listen: 8080\nlog: {level: loud, format: nice}\n"), Environ: []string{"PLUMBLINE_LIMITS__PER_HOST=0"}})
	if got := strings.Count(fmt.Sprint(err), "\n") + 1; got != 4 {
		t.Errorf("got %d lines, want 4:\n%v", got, err)
	}
}
