package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
)

const maxGateDocument = 256 << 10

// HTTPGate asks plumbline over HTTP: GET {base}/v1/gates/{service}/{color}. A token is optional. Everything but a 200
// with the gate document of this service and color is an error. The nil client is one that follows no redirects.
func HTTPGate(client *http.Client, base, service, token string) GateFunc {
	if client == nil {
		transport := newTransport()
		transport.IdleConnTimeout = time.Second // longer than a poll; nobody closes them otherwise
		client = newClient(transport, 0)
	}
	return func(ctx context.Context, color plumbline.Color, purpose plumbline.Purpose, version string) (plumbline.Gate, error) {
		query := url.Values{"purpose": {string(purpose)}}
		if version != "" {
			query.Set("version", version)
		}
		address, err := url.JoinPath(base, "v1", "gates", service, string(color))
		if err != nil {
			return plumbline.Gate{}, errors.New("the address of the gate is no URL")
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"?"+query.Encode(), nil)
		if err != nil {
			return plumbline.Gate{}, errors.New("the address of the gate is no URL")
		}
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		gate, err := fetchGate(client, request)
		if err != nil {
			return plumbline.Gate{}, err
		}
		if gate.Schema != plumbline.GateSchema || gate.Service != service || gate.Color != color {
			return plumbline.Gate{}, fmt.Errorf("the gate answered %s about %s %s, want %s about %s %s",
				gate.Schema, gate.Service, gate.Color, plumbline.GateSchema, service, color)
		}
		return gate, nil
	}
}

func fetchGate(client *http.Client, request *http.Request) (plumbline.Gate, error) {
	answer, err := client.Do(request) // #nosec G704 -- the gate that the sandbox was given
	if err != nil {
		return plumbline.Gate{}, withoutURL(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxGateDocument+1))
	switch {
	case err != nil:
		return plumbline.Gate{}, withoutURL(err)
	case answer.StatusCode != http.StatusOK:
		return plumbline.Gate{}, fmt.Errorf("the gate answered %d, want 200", answer.StatusCode)
	case len(body) > maxGateDocument:
		return plumbline.Gate{}, fmt.Errorf("the gate document is larger than %d KiB", maxGateDocument>>10)
	}
	var gate plumbline.Gate
	if err := json.Unmarshal(body, &gate); err != nil {
		return plumbline.Gate{}, fmt.Errorf("the gate answered no gate document: %w", err)
	}
	return gate, nil
}

// withoutURL leaves out of an error of net/http the address, which may hold a secret.
func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
