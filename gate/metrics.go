package gate

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plumbline-dev/plumbline"
)

type metrics struct {
	answers  *prometheus.CounterVec
	unknown  *prometheus.CounterVec
	verdicts *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(registry *prometheus.Registry, silence func() time.Duration) metrics {
	m := metrics{
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plumbline_gate_answers_total", Help: "Answers of gates, by state.",
		}, []string{"service", "color", "purpose", "gate"}),
		unknown: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plumbline_gate_unanswered_total", Help: "Questions to gates without an answer, by reason.",
		}, []string{"reason"}),
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plumbline_verdicts_total", Help: "Verdicts, by outcome, cause and trigger.",
		}, []string{"service", "trigger", "outcome", "cause"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "plumbline_run_seconds", Help: "Time from the start of a run to its verdict.",
			Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800},
		}, []string{"service", "trigger"}),
	}
	registry.MustRegister(m.answers, m.unknown, m.verdicts, m.seconds,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "plumbline_bus_silence_seconds", Help: "Time since memory was in step with the bus; from 5 on, gates don't know.",
		}, func() float64 { return silence().Seconds() }))
	return m
}

func (m metrics) answered(doc plumbline.Gate) {
	m.answers.WithLabelValues(doc.Service, string(doc.Color), string(doc.Purpose), string(doc.Gate)).Inc()
}

func (m metrics) refused(err error) {
	reason := "cut_off"
	if errors.Is(err, ErrUnknown) {
		reason = "not_configured" // without names: who asks could make up any number of them
	}
	m.unknown.WithLabelValues(reason).Inc()
}

// Observe counts a verdict that became durable.
func (g *Gate) Observe(v plumbline.Verdict) {
	g.metrics.verdicts.WithLabelValues(v.Service, string(v.Trigger), v.Outcome, string(v.Cause)).Inc()
	if !v.StartedAt.IsZero() && !v.FinishedAt.Before(v.StartedAt) {
		g.metrics.seconds.WithLabelValues(v.Service, string(v.Trigger)).Observe(v.FinishedAt.Sub(v.StartedAt).Seconds())
	}
}
