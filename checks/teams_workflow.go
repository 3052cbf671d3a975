package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/plumbline-dev/plumbline"
)

// maxCard is what a workflow takes, in bytes (learn.microsoft.com: create incoming webhooks, limits).
const maxCard = 28 << 10

// The shapes of a workflow's URL, and of the connectors that it replaced.
var (
	workflowHost   = regexp.MustCompile(`^prod-[0-9]+\.[a-z0-9-]+\.logic\.azure\.com(:443)?$|^[a-z0-9]+\.[0-9a-f]+\.environment\.api\.powerplatform\.com(:443)?$`)
	workflowPath   = regexp.MustCompile(`^/workflows/[^/]+/|^/powerautomate/automations/direct/workflows/[^/]+/`)
	connectorHosts = []string{".webhook.office.com", "outlook.office.com", "outlook.office365.com"}
)

// workflow asks the flow that posts for Plum, as far as the mode says.
func (w *teamsQuestion) workflow(ctx context.Context, q *inquiry, t *Teams) error {
	u, err := q.conceal(t.Workflow())
	if err != nil {
		return err
	}
	if err := workflowShape(u, t.Origin); err != nil {
		return err
	}
	switch w.mode {
	case teamsReach:
		return workflowReach(ctx, q, u)
	case teamsCanary:
		return workflowCanary(ctx, q, u)
	}
	return workflowAuth(ctx, q, u)
}

// workflowShape refuses what can't be the URL of a workflow, before anything is asked.
func workflowShape(u *url.URL, origin string) error {
	host := strings.ToLower(u.Hostname())
	for _, retired := range connectorHosts {
		if strings.HasSuffix(host, retired) {
			return troublef(plumbline.ClassMisconfig, "%s: connectors of Office 365 are retired: make a workflow, and use its URL", host)
		}
	}
	if !workflowHost.MatchString(strings.ToLower(u.Host)) && originOf(u) != origin {
		return troublef(plumbline.ClassMisconfig, "%s is no host of workflows, want prod-NN.REGION.logic.azure.com or ENVIRONMENT.environment.api.powerplatform.com, or the url of the connection", host)
	}
	switch {
	case u.Scheme != "https" && originOf(u) != origin:
		return troublef(plumbline.ClassMisconfig, "the workflow's URL begins with %s://, which everybody between reads: copy it whole", u.Scheme)
	case !workflowPath.MatchString(u.Path):
		return troublef(plumbline.ClassMisconfig, "the URL isn't that of a workflow's trigger: copy it whole")
	case u.Query().Get("sig") == "":
		return troublef(plumbline.ClassMisconfig, "the workflow's URL has no sig: copy it whole")
	}
	return nil
}

// workflowReach finds out that somebody answers there, whatever he says.
func workflowReach(ctx context.Context, q *inquiry, u *url.URL) error {
	bare := url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/"}
	x, err := q.ask(ctx, demand{method: http.MethodHead, path: bare.String(), bare: true})
	if err == nil && x.status >= 500 {
		return q.amiss(x, "the host of the workflow")
	}
	return err
}

// workflowAuth posts without the signature, which the flow must refuse. It proves the endpoint alone.
func workflowAuth(ctx context.Context, q *inquiry, u *url.URL) error {
	unsigned := *u
	query := u.Query()
	query.Del("sig")
	unsigned.RawQuery = query.Encode()
	x, err := postCard(ctx, q, &unsigned)
	if err != nil {
		return err
	}
	code, message := workflowError(x)
	if x.status == http.StatusUnauthorized && code == "DirectApiAuthorizationRequired" && strings.Contains(message, "Shared Access scheme") {
		q.warn("the workflow is there; that its signature is right is proven by mode: canary alone")
		return nil
	}
	if x.status/100 == 2 {
		return troublef(plumbline.ClassMisconfig, "the workflow took a card without a signature: anybody can post with it")
	}
	return workflowTrouble(q, x, code, message)
}

// workflowCanary posts a card.
func workflowCanary(ctx context.Context, q *inquiry, u *url.URL) error {
	x, err := postCard(ctx, q, u)
	if err != nil {
		return err
	}
	if x.status == http.StatusAccepted || x.status == http.StatusOK {
		q.reached(plumbline.TierPermission)
		q.warn("accepted, which doesn't prove that it was delivered: look into the channel")
		return nil
	}
	code, message := workflowError(x)
	return workflowTrouble(q, x, code, message)
}

func postCard(ctx context.Context, q *inquiry, u *url.URL) (*exchange, error) {
	ask := q.scene.ask
	text := fmt.Sprintf("plumbline canary: %s %s, run %s", ask.Site.Service, ask.Site.Color, ask.Run)
	body, err := json.Marshal(map[string]any{"type": "message", "attachments": []any{map[string]any{
		"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil,
		"content": map[string]any{"type": "AdaptiveCard", "version": "1.4", "body": []any{map[string]any{"type": "TextBlock", "text": text, "wrap": true}}},
	}}})
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxCard:
		return nil, errors.New("the card is too large for a workflow")
	}
	x, err := q.ask(ctx, demand{method: http.MethodPost, path: u.String(), bare: true, body: body, header: http.Header{"Content-Type": {"application/json"}}})
	if err != nil {
		return x, err
	}
	return x, q.machine(x, "the workflow")
}

func workflowError(x *exchange) (code, message string) {
	var answer struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal(x.body, &answer) // what isn't JSON has no code
	return answer.Error.Code, answer.Error.Message
}

func workflowTrouble(q *inquiry, x *exchange, code, message string) error {
	if r, known := rule(workflowCatalogue, x.status, code, message); known {
		return q.troubled(r, x, "the workflow answered %d %s", x.status, q.quote(code, 100))
	}
	return q.amiss(x, "the workflow")
}
