package checks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

// parityParameters are the keys of parity beside its request.
type parityParameters struct {
	Ignore    *yaml.Node `yaml:"ignore"`
	Unordered *yaml.Node `yaml:"unordered"`
	Tolerance *yaml.Node `yaml:"tolerance"`
	Accept    *yaml.Node `yaml:"accept"`
}

// parity is the kind that asks both colors the same and holds the answers against each other: {parity: /budgets}, or
// {parity: {get: /budgets, ignore: [$.data[*].spent]}}.
func (e *engine) parity() Kind {
	kinds := e.requests()
	return Kind{Compile: func(d Definition) (Compiled, strictyaml.Problems) {
		r := d.reader()
		var p parityParameters
		inner := Definition{File: d.File, Key: "get", Check: d.Check, Value: d.Value, Own: mappingAt(d.Value), Common: mappingAt(d.Value)}
		if d.Value.Kind != yaml.ScalarNode {
			inner, r.problems = Split(d.File, d.Value, kinds, strictyaml.Keys(p))
			if inner.Key == "" {
				return Compiled{}, r.problems
			}
			r.beside(inner, "parity")
			r.decode(inner.Common, &p)
		}
		inner.Expect, inner.Capture, inner.StopIf = d.Expect, d.Capture, d.StopIf
		inner.Auth, inner.Names, inner.Read = d.Auth, d.Names, d.Read
		compiled, problems := kinds[inner.Key].Compile(inner)
		r.problems = append(r.problems, problems...)
		c := &parityCheck{engine: e, rules: r.rules(p, e.clients.Now())}
		compiled.Name, compiled.Effect = "parity "+compiled.Name, plumbline.EffectNone
		if request, is := compiled.Prober.(*httpCheck); is {
			c.request = request
			r.twice(inner, d, request)
		}
		compiled.Prober = c
		return compiled, r.problems
	}}
}

// requests are the kinds of one HTTP request, by key.
func (e *engine) requests() map[string]Kind {
	kinds := map[string]Kind{"http": e.long()}
	for _, method := range methods {
		kinds[strings.ToLower(method)] = e.short(method)
	}
	return kinds
}

// beside refuses what belongs beside the kind's key, not beneath it.
func (r *reader) beside(inner Definition, kind string) {
	for what, n := range map[string]*yaml.Node{"expect": inner.Expect, "capture": inner.Capture} {
		if n != nil {
			r.wrongHint(n, "put it beside "+kind, "%s has no %s beneath it", kind, what)
		}
	}
}

// twice refuses what can't be asked of both colors.
func (r *reader) twice(inner, d Definition, c *httpCheck) {
	reads := c.method == http.MethodGet || c.method == http.MethodHead || c.method == http.MethodOptions
	said := strictyaml.Value(d.Common, "effect")
	switch {
	case said != nil && said.Value != string(plumbline.EffectNone):
		r.wrongHint(said, "parity takes effect: none alone", "parity asks the live color too")
	case said == nil && !reads:
		r.wrongHint(d.Value, "write effect: none if it only reads", "parity asks the live color too, and a %s may leave something behind", c.method)
	}
	if len(c.url.parts) > 0 && c.url.parts[0].variable == nil && !strings.HasPrefix(c.url.parts[0].literal, "/") {
		r.wrongHint(inner.Value, "write a path such as /healthz", "an absolute URL is the same for both colors")
	}
}

// parityCheck is one request to two colors. Many may ask it at the same time.
type parityCheck struct {
	engine  *engine
	request *httpCheck
	rules   rules
}

// AsksLive tells the runner, which bounds what is asked of a host at once, of the other color.
func (c *parityCheck) AsksLive() bool { return true }

// Probe asks both colors at once, each with the credentials that are for it.
func (c *parityCheck) Probe(ctx context.Context, ask plumbline.Ask) (plumbline.Answer, error) {
	if ask.Live.URL == "" {
		return plumbline.Answer{}, nothingToCompare(ask)
	}
	other := ask
	other.Site, other.Live = ask.Live, ask.Site
	s, t := newScene(&c.engine.clients, ask), newScene(&c.engine.clients, other)
	if err := c.apart(s, t); err != nil {
		return plumbline.Answer{}, err
	}
	var theirs *exchange
	var theirErr error
	back := make(chan struct{})
	go func() {
		defer close(back)
		theirErr = errors.New("the check itself broke") // unless fetch returns
		defer func() { _ = recover() }()
		theirs, theirErr = c.request.fetch(ctx, t, c.engine.session)
	}()
	ours, err := c.request.fetch(ctx, s, c.engine.session)
	<-back
	s.hidden = append(s.hidden, t.hidden...)
	answer := plumbline.Answer{Latency: ours.latency, Status: ours.status}
	if err == nil {
		answer, err = c.judge(ours, theirs, theirErr, s, answer)
	}
	return s.clean(answer, err)
}

func nothingToCompare(ask plumbline.Ask) error {
	switch ask.Site.Role {
	case "":
		return errors.New("nothing to compare with: nobody named the live color (run takes --control URL)")
	case plumbline.RoleLive:
		return errors.New("nothing to compare with: this color is live, and there is no standby")
	}
	return errors.New("nothing to compare with: no color is live")
}

// apart refuses to ask one address twice, which would always agree.
func (c *parityCheck) apart(s, t *scene) error {
	var targets [2]string
	for i, scene := range []*scene{s, t} {
		written, err := c.request.url.url(scene)
		if err != nil {
			return err
		}
		target, err := resolve(scene.ask.Site.URL, written)
		if err != nil {
			return err
		}
		targets[i] = originOf(target) + target.Path
	}
	if targets[0] == targets[1] {
		return fmt.Errorf("nothing to compare with: both colors would be asked at %s", targets[0])
	}
	return nil
}

// sides are what the two answers are called.
func sides(ask plumbline.Ask) (ours, theirs string) {
	name := func(site plumbline.Site, otherwise string) string {
		switch {
		case site.Role != "":
			return string(site.Role)
		case site.Color != "":
			return string(site.Color)
		}
		return otherwise
	}
	return name(ask.Site, "asked"), name(ask.Live, "live")
}

func (c *parityCheck) judge(ours, theirs *exchange, theirErr error, s *scene, answer plumbline.Answer) (plumbline.Answer, error) {
	left, right := sides(s.ask)
	switch {
	case theirErr != nil:
		cause := theirErr
		if errors.Is(cause, plumbline.ErrFailed) {
			cause = nil // that the other color answers wrongly isn't this one's failure
		}
		return answer, unasked{fmt.Sprintf("nothing to compare with: %s could not be asked: %s", right, theirErr), cause}
	case theirs.status != ours.status && slices.Contains(plumbline.DefaultRetryStatuses, theirs.status):
		return answer, fmt.Errorf("nothing to compare with: %s answered %d", right, theirs.status)
	}
	wrong, err := c.request.expect.wrong(ours, s)
	if err != nil {
		return answer, err
	}
	d := &differ{ours: left, theirs: right, now: s.clients.Now()}
	answer.Final = ours.final
	if ours.status != theirs.status {
		wrong = append(wrong, fmt.Sprintf("status: %s %d, %s %d", left, ours.status, right, theirs.status))
	} else {
		c.bodies(d, s, ours, theirs)
		wrong = append(wrong, d.brief()...)
	}
	if len(wrong) == 0 {
		answer.Captures, wrong = keep(c.request.captures, ours, s)
	}
	if len(wrong) == 0 {
		return answer, nil
	}
	answer.Captures, answer.Detail = nil, cut(strings.Join(d.lines, "\n"), maxDetail)
	return answer, plumbline.Failf("%s", strings.Join(wrong, "; "))
}

// bodies holds two bodies against each other: as JSON if both are, otherwise line by line.
func (c *parityCheck) bodies(d *differ, s *scene, ours, theirs *exchange) {
	a, errA := ours.json()
	b, errB := theirs.json()
	switch {
	case errA == nil && errB == nil:
		// The root itself may carry rules, so it is entered like any other place.
		d.compare("$", spot{}.enter(a, true, c.rules.of(a)), spot{}.enter(b, true, c.rules.of(b)))
		if d.compared == 0 && d.found == 0 {
			d.say("nothing was compared: all that the answers have is ignored")
		}
	case errA == nil:
		d.say("body: %s is JSON, %s isn't", d.ours, d.theirs)
	case errB == nil:
		d.say("body: %s isn't JSON, %s is", d.ours, d.theirs)
	case !c.rules.none() && len(ours.body)+len(theirs.body) > 0:
		d.say("%s", notJSON(ours, s))
	default:
		d.texts(string(ours.body), string(theirs.body))
	}
}

// texts tells the first line in which two texts differ.
func (d *differ) texts(a, b string) {
	if d.compared++; a == b {
		return
	}
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range max(len(x), len(y)) {
		if i >= len(x) || i >= len(y) || x[i] != y[i] {
			d.differ(fmt.Sprintf("body, line %d", i+1), lineAt(x, i), lineAt(y, i))
			return
		}
	}
}

func lineAt(of []string, i int) spot {
	if i >= len(of) {
		return spot{}
	}
	return spot{found: something(of[i])}
}

// brief are the first differences, and how many more there are.
func (d *differ) brief() []string {
	const told = 3
	if d.found <= told {
		return d.lines
	}
	return append(slices.Clone(d.lines[:told]), fmt.Sprintf("and %d more differences", d.found-told))
}
