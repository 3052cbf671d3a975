package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	plumbline "github.com/plumbline-dev/plumbline"
)

// control is how a person or a test changes the sandbox while it runs:
//
//	GET  /sandbox                        everything at a glance
//	PUT  /sandbox/colors/{color}         {"version","digest","config","credentials","faults"}; what is absent stays
//	PUT  /sandbox/providers/{provider}   {"down":true} for both colors, or {"fault":"…","color":"green"}; an empty fault ends it
//	PUT  /sandbox/webhook                {"url":"…"}: also enables it again
//	PUT  /sandbox/switch                 {"color","version"}: the release to promote when its gate opens
//	POST /sandbox/switch/rollback        goes back now, if the gate is open
func (s *Sandbox) control(token string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sandbox", func(w http.ResponseWriter, _ *http.Request) { s.show(w) })
	mux.HandleFunc("PUT /sandbox/colors/{color}", s.put(s.putColor))
	mux.HandleFunc("PUT /sandbox/providers/{provider}", s.put(s.putProvider))
	mux.HandleFunc("PUT /sandbox/webhook", s.put(s.putWebhook))
	mux.HandleFunc("PUT /sandbox/switch", s.put(s.putSwitch))
	mux.HandleFunc("POST /sandbox/switch/rollback", s.put(func(r *http.Request) error { return s.Switch.Rollback(r.Context()) }))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	if token == "" {
		return mux
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, got, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if r.URL.Path != "/healthz" && (!strings.EqualFold(scheme, "bearer") || same(got, token) != 1) {
			errNoToken.write(w, "control")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// put answers with the whole sandbox after a change, or with what was wrong about it.
func (s *Sandbox) put(change func(r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if err := change(r); err != nil {
			badInput("%v", err).write(w, "control")
			return
		}
		s.show(w)
	}
}

func (s *Sandbox) putColor(r *http.Request) error {
	color, err := plumbline.ParseColor(r.PathValue("color"))
	if err != nil {
		return err
	}
	var body json.RawMessage
	if err := readJSON(r, &body); err != nil {
		return err
	}
	var c change
	if err := json.Unmarshal(body, &c); err != nil {
		return err
	}
	return s.Environment(color).change(c)
}

func (s *Sandbox) putProvider(r *http.Request) error {
	var in struct {
		Down  *bool           `json:"down"`
		Fault *string         `json:"fault"`
		Color plumbline.Color `json:"color"`
	}
	if err := readKnown(r, &in, "color", "down", "fault"); err != nil {
		return err
	}
	provider := r.PathValue("provider")
	switch {
	case in.Fault != nil && in.Down == nil:
		return s.SetProviderFault(provider, in.Color, *in.Fault)
	case in.Down != nil && in.Fault == nil && in.Color == "":
		return s.SetProviderDown(provider, *in.Down)
	}
	return fmt.Errorf("want down: true or false, or a fault and perhaps its color")
}

func (s *Sandbox) putWebhook(r *http.Request) error {
	var in struct {
		URL *string `json:"url"`
	}
	if err := readKnown(r, &in, "url"); err != nil {
		return err
	}
	if in.URL == nil {
		return fmt.Errorf("want a url, or an empty one to end it")
	}
	return s.SetWebhook(*in.URL)
}

func (s *Sandbox) putSwitch(r *http.Request) error {
	var in wanted
	if err := readKnown(r, &in, "color", "version"); err != nil {
		return err
	}
	return s.Switch.Want(in.Color, in.Version)
}

func readKnown(r *http.Request, into any, names ...string) error {
	var body json.RawMessage
	if err := readJSON(r, &body); err != nil {
		return err
	}
	return decodeStrictly(body, into, "key", names)
}

type colorView struct {
	URL         string            `json:"url"`
	Live        bool              `json:"live"`
	Release     plumbline.Release `json:"release"`
	Config      Config            `json:"config"`
	Credentials []string          `json:"credentials"` // providers whose credential was replaced; never the credential
	Faults      Faults            `json:"faults"`
}

func (s *Sandbox) show(w http.ResponseWriter) {
	colors := map[plumbline.Color]colorView{}
	for color, address := range map[plumbline.Color]string{plumbline.Blue: s.BlueURL, plumbline.Green: s.GreenURL} {
		c := s.Environment(color).Condition()
		replaced := slices.AppendSeq([]string{}, maps.Keys(c.Credentials))
		slices.Sort(replaced)
		colors[color] = colorView{address, s.Switch.Live() == color, c.Release, c.Config.orDefault(), replaced, c.Faults}
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"colors": colors, "valid_faults": FaultNames(), "providers": s.providers.states(), "webhook": s.Webhook(),
		"accounts": s.Accounts(), "points": s.Points(), "traffic": s.Traffic.Stats(),
		"switch": map[string]any{"url": s.SwitchURL, "live": s.Switch.Live(), "wanted": s.Switch.isWanted(), "unpublished": !s.Switch.outbox.empty()},
	})
}
