package daemon

import (
	"errors"
	"fmt"

	"github.com/plumbline-dev/plumbline/configs"
)

// settled refuses a configuration that differs in what a running daemon can't change.
func settled(was, is *configs.Config) error {
	var problems []error
	for _, setting := range []struct {
		name    string
		was, is any
	}{
		{"bus.url", was.Bus.URL, is.Bus.URL},
		{"bus.credentials", was.Bus.Credentials, is.Bus.Credentials},
		{"bus.tls", was.Bus.TLS, is.Bus.TLS},
		{"bus.inbox_prefix", was.Bus.InboxPrefix, is.Bus.InboxPrefix},
		{"bus.replicas", was.Bus.Replicas, is.Bus.Replicas},
		{"bus.keep", was.Bus.Keep, is.Bus.Keep},
		{"bus.prefix", was.Bus.Prefix, is.Bus.Prefix},
		{"bus.store", was.Bus.Store, is.Bus.Store},
		{"bus.listen", was.Bus.Listen, is.Bus.Listen},
		{"listen", was.Listen, is.Listen},
		{"receiver.listen", was.Receiver.Listen, is.Receiver.Listen},
		{"log.format", was.Log.Format, is.Log.Format},
	} {
		if setting.was != setting.is {
			problems = append(problems, fmt.Errorf("%s is %v now and was %v when the daemon started: only a restart changes it", setting.name, setting.is, setting.was))
		}
	}
	if was.Bus != is.Bus && len(problems) == 0 {
		problems = append(problems, errors.New("bus differs from what it was when the daemon started: only a restart changes it"))
	}
	return errors.Join(problems...)
}
