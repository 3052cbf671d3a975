package gate

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// StatusSchema names the shape of a Status.
const StatusSchema = "plumbline.status/v1"

// A Status is what is known of services, for people.
type Status struct {
	Schema      string          `json:"schema"`
	EvaluatedAt time.Time       `json:"evaluated_at"`
	Services    []ServiceStatus `json:"services"`
}

// A ServiceStatus is what is known of one service.
type ServiceStatus struct {
	Service    string                           `json:"service"`
	Adopted    string                           `json:"adopted"` // yes or no
	Mode       string                           `json:"mode"`    // enforce or observe
	Live       plumbline.Color                  `json:"live"`
	Epoch      uint64                           `json:"epoch"`
	Applied    uint64                           `json:"applied"` // the last event that had its effect, by stream sequence
	SwitchedAt time.Time                        `json:"switched_at,omitzero"`
	Window     time.Time                        `json:"window,omitzero"` // the end of the standby window
	Readiness  string                           `json:"readiness"`       // of a rollback: ready, at_risk or not_ready
	Colors     map[plumbline.Color]*ColorStatus `json:"colors"`
}

// A ColorStatus is what is known of one color.
type ColorStatus struct {
	Role       plumbline.Role        `json:"role"`
	Deployment uint64                `json:"deployment"`
	Event      string                `json:"event,omitempty"`
	Release    plumbline.Release     `json:"release"`
	Change     plumbline.Change      `json:"change,omitzero"`
	DeployedAt time.Time             `json:"deployed_at,omitzero"`
	State      string                `json:"state"` // deployed or deploying
	Pending    []PendingRun          `json:"pending"`
	Last       *plumbline.VerdictRef `json:"last,omitempty"`
	Gate       plumbline.Gate        `json:"gate"`               // for a promotion
	Rollback   *plumbline.Gate       `json:"rollback,omitempty"` // of a color that isn't live
}

// A PendingRun is a run without a verdict.
type PendingRun struct {
	Run        string            `json:"run"`
	Trigger    plumbline.Trigger `json:"trigger"`
	AcceptedAt time.Time         `json:"accepted_at"`
	Progress   string            `json:"progress"`
}

// Status tells about one service, or about all when none is named. The error wraps ErrUnknown or ErrCutOff.
func (g *Gate) Status(service string) (Status, error) {
	var names []string
	switch {
	case service != "":
		names = []string{service}
	case g.Services != nil:
		names = slices.Sorted(slices.Values(g.Services()))
	}
	if err := g.cutOff(); err != nil && service == "" {
		return Status{}, err
	}
	status := Status{Schema: StatusSchema, Services: make([]ServiceStatus, 0, len(names))}
	for _, name := range names {
		one, at, err := g.statusOf(name)
		if err != nil {
			return Status{}, err
		}
		status.Services, status.EvaluatedAt = append(status.Services, one), at
	}
	return status, nil
}

func (g *Gate) statusOf(service string) (ServiceStatus, time.Time, error) {
	var status ServiceStatus
	var at time.Time
	for _, color := range plumbline.Colors() {
		known, err := g.look(service, color)
		if err != nil {
			return ServiceStatus{}, time.Time{}, err
		}
		if status.Service == "" {
			status, at = serviceStatus(known), known.now
		}
		c := colorStatus(known, color)
		status.Colors[color] = c
		if c.Rollback != nil {
			status.Readiness = c.Rollback.Readiness
		}
	}
	return status, at.UTC(), nil
}

func serviceStatus(known view) ServiceStatus {
	r := known.record
	status := ServiceStatus{
		Service: r.Service, Adopted: "no", Mode: "enforce", Live: r.Live, Epoch: r.Epoch, Applied: r.Applied,
		SwitchedAt: r.SwitchedAt, Window: r.Window, Readiness: plumbline.NotReady,
		Colors: make(map[plumbline.Color]*ColorStatus, 2),
	}
	if r.Adopted {
		status.Adopted = "yes"
	}
	if known.now.Before(known.policy.ObserveUntil) {
		status.Mode = "observe"
	}
	return status
}

func colorStatus(known view, color plumbline.Color) *ColorStatus {
	state := known.record.Colors[color]
	ask := func(purpose plumbline.Purpose) plumbline.Gate {
		return plumbline.Decide(plumbline.Asked{Color: color, Purpose: purpose}, known.record, known.policy, known.now)
	}
	status := &ColorStatus{
		Role: known.record.RoleAt(color, known.now), Deployment: state.Deployment, Event: state.Event, Release: state.Release,
		Change: state.Change, DeployedAt: state.DeployedAt, State: "deployed", Pending: []PendingRun{}, Last: state.Last,
		Gate: ask(plumbline.PurposePromote),
	}
	if state.Deploying {
		status.State = "deploying"
	}
	for _, run := range state.Pending {
		progress := state.Progress[run.Run]
		status.Pending = append(status.Pending, PendingRun{Run: run.Run, Trigger: run.Trigger, AcceptedAt: run.AcceptedAt,
			Progress: fmt.Sprintf("%d/%d", progress.Done, progress.Total)})
	}
	if status.Role != plumbline.RoleLive {
		rollback := ask(plumbline.PurposeRollback)
		status.Rollback = &rollback
	}
	return status
}

func (g *Gate) serveServices(w http.ResponseWriter, r *http.Request) { g.serveStatus(w, r, "") }

func (g *Gate) serveService(w http.ResponseWriter, r *http.Request) {
	g.serveStatus(w, r, r.PathValue("service"))
}

func (g *Gate) serveStatus(w http.ResponseWriter, r *http.Request, service string) {
	if r.URL.RawQuery != "" {
		writeError(w, http.StatusBadRequest, fmt.Errorf("%w: there are no parameters here", ErrQuestion))
		return
	}
	status, err := g.Status(service)
	if err != nil {
		writeError(w, httpStatus(err), err)
		return
	}
	writeJSON(w, http.StatusOK, status)
}
