package checks

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
	"golang.org/x/oauth2"
)

// KindDarwinbox is the kind of connections and checks of Darwinbox.
const KindDarwinbox = "darwinbox"

// A Darwinbox is an API user of a company. With a code it exchanges that for a token; otherwise the password is the
// connection's secret.
type Darwinbox struct {
	APIKey     func() string
	DatasetKey func() string
	Employee   string                     // the canary: an employee there always is
	Code       func() string              // of the OAuth variant, whose client secret is the connection's secret; nil: Basic
	Messages   map[string]plumbline.Class // parts of messages, in lower case, and what they mean: Darwinbox publishes none
}

// darwinboxPath is the one endpoint that is asked, which only reads. It is always filtered by an employee: a whole dataset
// takes half a minute.
const darwinboxPath = "/masterapi/employee"

// DarwinboxTokenPath is where a code is exchanged.
const DarwinboxTokenPath = "/oauth/v1token"

func (b *Darwinbox) credential(ctx context.Context, c *Connections, a *account, site plumbline.Site) (credential, error) {
	if b.Code == nil {
		return basicCredential(ctx, c, a, site)
	}
	has, err := c.token(ctx, a, site)
	if err != nil {
		return credential{}, err
	}
	return credential{header: http.Header{"TOKEN": {has.token.AccessToken}}, hidden: has.hidden, discard: func() { c.forget(has) }}, nil
}

// fetch exchanges the code. The answer is a token, alone or in an object.
func (b *Darwinbox) fetch(ctx context.Context, l *login) (*granted, error) {
	secret, err := l.by.secret()
	if err != nil {
		return nil, err
	}
	code := b.Code()
	l.hidden = append(l.hidden, secret, code)
	body, err := json.Marshal(map[string]string{"client_id": l.by.ClientID, "client_secret": secret, "grant_type": "authorization_code", "code": code})
	if err != nil {
		return nil, err
	}
	started := l.connections.now()
	x, err := l.post(ctx, "application/json", body)
	if err != nil {
		return nil, err
	}
	var object struct {
		AccessToken string `json:"access_token"`
	}
	token := ""
	if json.Unmarshal(x.body, &object) != nil && json.Unmarshal(x.body, &token) != nil && !isPage(x) && !strings.ContainsAny(string(x.body), "{ \n") {
		token = strings.TrimSpace(string(x.body)) // a bare string
	}
	if token = cmp.Or(object.AccessToken, token); token == "" || x.status != http.StatusOK {
		return nil, l.refuse(x)
	}
	return &granted{token: &oauth2.Token{AccessToken: token, Expiry: lastUse(started, maxTokenLife)}, hidden: append(l.hidden, token)}, nil
}

type darwinboxParameters struct {
	Connection *yaml.Node `yaml:"connection"`
	Employee   *yaml.Node `yaml:"employee"`
}

// darwinbox is the kind of a dataset of employees: {darwinbox: acme-darwinbox}, or {darwinbox: {connection: …, employee: E042}}.
func (e *engine) darwinbox() Kind {
	return Kind{Compile: func(d Definition) (Compiled, strictyaml.Problems) {
		r := d.reader(providerPlaces...)
		var p darwinboxParameters
		r.main(d.Value, &p, &p.Connection)
		var employee *template
		if p.Employee != nil {
			t := r.words(p.Employee)
			employee = &t
		}
		return e.provider(r, d, p.Connection, plumbline.EffectNone, func(ctx context.Context, q *inquiry) error {
			return darwinboxEmployee(ctx, q, employee)
		})
	}}
}

func darwinboxEmployee(ctx context.Context, q *inquiry, asked *template) error {
	b := q.account.Provider.(*Darwinbox)
	employee := b.Employee
	if asked != nil {
		var err error
		if employee, err = asked.text(q.scene); err != nil {
			return err
		}
	}
	if employee == "" {
		return troublef(plumbline.ClassMisconfig, "no canary employee: name one in the connection or the check, because nothing is ever asked for without one")
	}
	key, dataset := b.APIKey(), b.DatasetKey()
	q.scene.hidden = append(q.scene.hidden, key, dataset)
	body, err := json.Marshal(map[string]any{"api_key": key, "datasetKey": dataset, "employee_ids": []string{employee}})
	if err != nil {
		return err
	}
	x, err := q.ask(ctx, demand{method: http.MethodPost, path: darwinboxPath, body: body, header: http.Header{"Content-Type": {"application/json"}}})
	if err != nil {
		return err
	}
	if err := q.machine(x, darwinboxPath); err != nil {
		return err
	}
	return b.judge(q, x)
}

// judge reads the answer: failures come with status 200, too.
func (b *Darwinbox) judge(q *inquiry, x *exchange) error {
	if r, known := rule(darwinboxCatalogue, x.status, "", ""); known {
		return q.troubled(r, x, "%s answered %d", darwinboxPath, x.status)
	}
	if x.status != http.StatusOK {
		return q.amiss(x, darwinboxPath)
	}
	var answer struct {
		Status  any               `json:"status"` // 1, or "1"
		Message string            `json:"message"`
		Rows    []json.RawMessage `json:"employee_data"`
	}
	if json.Unmarshal(x.body, &answer) != nil || answer.Status == nil {
		return troublef(plumbline.ClassProtocol, "%s answered something that has no status", darwinboxPath)
	}
	if status := fmt.Sprint(answer.Status); status != "1" {
		class, cure := b.meaning(answer.Message)
		return troublef(class, "%s answered status %s, %s, want 1: %s", darwinboxPath, q.quote(status, 20), q.quote(answer.Message, 200), cure)
	}
	q.reached(plumbline.TierPermission)
	if len(answer.Rows) == 0 {
		return troublef(plumbline.ClassEmptyData, "%s answered without the canary employee: the dataset doesn't have it, or the API user doesn't see it", darwinboxPath)
	}
	q.proof["rows"] = len(answer.Rows)
	q.reached(plumbline.TierData)
	return nil
}

// meaning is what a message means: as the operator says, or else that something of the account is wrong.
func (b *Darwinbox) meaning(message string) (plumbline.Class, string) {
	message = strings.ToLower(message)
	for _, part := range slices.Sorted(maps.Keys(b.Messages)) {
		if strings.Contains(message, strings.ToLower(part)) {
			return b.Messages[part], "the connection's messages say what it means"
		}
	}
	return plumbline.ClassCredential, "rejected by the provider, credential or configuration: compare user, API key and dataset key of this color with Darwinbox"
}

// darwinboxCatalogue is what a status means. Darwinbox's documents are private: nothing of it is confirmed but that
// failures come with 200.
var darwinboxCatalogue = []ruling{
	{status: 401, class: plumbline.ClassCredential, cure: "user or password of the API user are wrong: compare them with Darwinbox", unconfirmed: true},
	{status: 403, class: plumbline.ClassCredential, cure: "the API user is refused, or the address that this color asks from: ask the administrator of Darwinbox", unconfirmed: true},
	{status: 429, class: plumbline.ClassThrottled, cure: "asked too often: lower the rate of the connection, or raise max_age", unconfirmed: true},
	{status: 503, class: plumbline.ClassOutage, cure: "Darwinbox is not well; nothing is wrong with the release", unconfirmed: true},
}
