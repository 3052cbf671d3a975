package sim

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// askAll asks the gates of all processes that would hear it.
func (w *world) askAll() {
	for _, s := range w.script.Services {
		w.work.Go(func() { w.askBus(s.Name, w.pickColor()) })
	}
	for _, p := range w.all() {
		if !p.isUp() {
			continue
		}
		for _, s := range w.script.Services {
			for _, c := range plumbline.Colors() {
				for _, purpose := range []plumbline.Purpose{plumbline.PurposePromote, plumbline.PurposeRollback} {
					p.ask(s.Name, plumbline.Asked{Color: c, Purpose: purpose})
					p.ask(s.Name, w.precisely(plumbline.Asked{Color: c, Purpose: purpose}))
				}
			}
		}
	}
}

func (w *world) pickColor() plumbline.Color {
	return plumbline.Colors()[w.dice("color", time.Since(w.began))>>9%2]
}

// askBus asks whichever daemon answers over the bus, as a command does.
func (w *world) askBus(service string, c plumbline.Color) {
	ctx, cancel := context.WithTimeout(w.ctx, 3*time.Second)
	defer cancel()
	body, err := w.tool.AskGate(ctx, service, string(c), nil)
	a := answered{at: time.Now(), process: "bus", service: service, asked: plumbline.Asked{Color: c}, reloaded: []bool{false, true}, err: err}
	if err == nil {
		a.err = json.Unmarshal(body, &a.doc)
	}
	w.seen.answer(a)
}

// precisely names one of the releases of the script, which may have been replaced long ago, or be still to come.
func (w *world) precisely(asked plumbline.Asked) plumbline.Asked {
	var releases []Act
	for _, a := range w.script.Acts {
		if a.Do == deployed && a.Color == asked.Color && a.At <= time.Since(w.began) {
			releases = append(releases, a)
		}
	}
	if len(releases) == 0 {
		asked.Version = "0-unheard"
		return asked
	}
	dice := int(w.dice("which", time.Since(w.began), asked.Color) >> 8)
	a := releases[max(0, len(releases)-1-dice%2)]
	switch dice / 2 % 4 {
	case 0:
		asked.Version, asked.Digest = a.Version, a.Digest
	case 1:
		asked.Event = a.ID
	case 2:
		asked.Version, asked.Event = a.Version, a.ID
	default:
		asked.Version = a.Version
	}
	return asked
}

// ask asks the gate of one process, as a switch controller does.
func (p *process) ask(service string, asked plumbline.Asked) (plumbline.Gate, error) {
	a := answered{process: p.name, service: service, asked: asked, skew: time.Duration(p.skew.Load()), reloaded: []bool{p.reloaded(p.world.script.service(service))}}
	a.doc, a.err = p.gate.Answer(service, asked.Color, asked)
	if !p.isUp() {
		return plumbline.Gate{}, errors.New("nobody hears the answer")
	}
	a.at = time.Now()
	p.world.seen.answer(a)
	return a.doc, a.err
}
