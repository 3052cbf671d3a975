package daemon

import (
	"context"
	"net/http"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/reporters"
)

// How long people are tried to be told: a try is bounded, so that a verdict isn't given to another daemon meanwhile, pauses
// between tries double, and after a good hour there is no news left in it.
const (
	reportTimeout = 15 * time.Second
	reportLook    = 5 * time.Second // for what is told beside the verdict
	reportPause   = 5 * time.Second
	reportMost    = 10 * time.Minute
	reportsGiveUp = 15
)

// reporterPrefix begins the names of the reporters' consumers; lettersSuffix ends those of their places in the dead letters.
const (
	reporterPrefix = "reporter-"
	lettersSuffix  = "-letters"
)

// An audience hears of some verdicts.
type audience struct {
	reporters.Reporter
	filter reporters.Filter
}

func (d *Daemon) audience(settings *configs.Reporter) (audience, error) {
	reporter, err := reporters.NewSlack(reporters.SlackSettings{
		Webhook: settings.Slack.Webhook.Reveal(), Token: settings.Slack.Token.Reveal(), Channel: settings.Slack.Channel,
		MentionOnFailure: settings.Slack.MentionOnFailure, Client: &http.Client{Timeout: reportTimeout}, Now: time.Now,
		Redact: d.redact.Redactor(),
	})
	return audience{reporter, reporters.Filter{Services: settings.On.Service, Outcomes: settings.On.Outcome}}, err
}

// report keeps a reporter up until ctx is done: each has durable places in the verdicts and in the dead letters, apart from
// everything that decides. Who hears of them is asked each time.
func (d *Daemon) report(ctx context.Context, name string) {
	d.group.Go(func() error {
		return d.bus.ConsumeVerdicts(ctx, reporterPrefix+name, func(ctx context.Context, delivery *bus.VerdictDelivery) {
			if to, exists := d.plans.now().reporters[name]; exists {
				d.tell(ctx, name, to, delivery)
			}
		})
	})
	d.group.Go(func() error {
		return d.bus.ConsumeDeadLetters(ctx, reporterPrefix+name+lettersSuffix, func(ctx context.Context, delivery *bus.LettersDelivery) {
			if to, exists := d.plans.now().reporters[name]; exists {
				d.tellLost(ctx, name, to, delivery)
			}
		})
	})
}

// tell reports one verdict. What can't be told is tried again later, and in the end left to the log: a notification
// never holds anything up.
func (d *Daemon) tell(ctx context.Context, name string, to audience, delivery *bus.VerdictDelivery) {
	verdict, err := delivery.Verdict()
	if err == nil && to.filter.Wants(verdict) {
		report := d.reportOf(ctx, verdict)
		if report.News() {
			bounded, cancel := context.WithTimeout(ctx, reportTimeout)
			err = to.Report(bounded, report)
			cancel()
		}
	}
	if d.later(ctx, name, err, delivery) {
		return
	}
	if err := delivery.Done(ctx); err != nil && ctx.Err() == nil {
		d.log.Warn("a report could not be settled and may come twice", "reporter", name, "run", verdict.Run, "error", err)
	}
}

// A reported is what a reporter was to tell.
type reported interface {
	Deliveries() int
	Later(time.Duration) error
}

// later hands back what could not be told and may be told later, and says whether it comes again.
func (d *Daemon) later(ctx context.Context, name string, err error, delivery reported) bool {
	retry, after := reporters.Retryable(err)
	switch {
	case err == nil:
		return false
	case ctx.Err() != nil:
		return true // it comes again when the daemon does
	case !retry || delivery.Deliveries() >= reportsGiveUp:
		d.log.Error("a report was given up", "reporter", name, "error", err)
		return false
	}
	d.log.Warn("a report comes later", "reporter", name, "error", err)
	pause := min(reportPause<<(delivery.Deliveries()-1), reportMost)
	if err := delivery.Later(max(after, pause)); err != nil {
		d.log.Warn("a report could not be handed back and waits for its time-out", "reporter", name, "error", err)
	}
	return true
}

// reportOf adds to a verdict what it means for traffic.
func (d *Daemon) reportOf(ctx context.Context, v plumbline.Verdict) reporters.Report {
	bounded, cancel := context.WithTimeout(ctx, reportLook)
	defer cancel()
	report := reporters.Report{Verdict: v, PublicURL: d.Config().PublicURL, Former: d.former(bounded, v)}
	purpose := plumbline.PurposePromote
	if v.Role == plumbline.RoleStandby {
		purpose = plumbline.PurposeRollback
	}
	noted := func(r plumbline.Record) bool { _, pending := r.Find(v.Run); return !pending }
	if _, err := d.memory.Await(bounded, v.Service, noted); err == nil {
		if answer, err := d.gate.Answer(v.Service, v.Color, plumbline.Asked{Purpose: purpose}); err == nil {
			report.Gate = answer
		}
	}
	return report
}

// former is how the standby run before this one ended.
func (d *Daemon) former(ctx context.Context, v plumbline.Verdict) string {
	if v.Trigger != plumbline.TriggerStandby {
		return ""
	}
	recent, err := d.bus.Verdicts(ctx, v.Service, 20)
	if err != nil {
		return ""
	}
	for _, past := range recent {
		if past.Color == v.Color && past.Deployment == v.Deployment && past.Trigger == plumbline.TriggerStandby &&
			past.Event.Sequence < v.Event.Sequence && past.Cause != plumbline.CauseSuperseded {
			return past.Outcome
		}
	}
	return ""
}
