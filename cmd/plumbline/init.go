package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/daemon"
	"github.com/plumbline-dev/plumbline/suites"
)

//go:embed templates/suite.yaml
var firstSuite string

//go:embed templates/config.yaml
var firstConfig string

func (a *app) initCommand() *cobra.Command {
	var service, document string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "write a first suite and settings to edit",
		Long: `Writes suites/SERVICE.yaml and configs/plumbline.yaml in this directory, and never over a file that is there. With
--from-openapi there is a check for each operation of an OpenAPI 3.0 or 3.1 document that only reads, with its status and
schema; those that write are there as comments.`,
		Example: "  plumbline init --service shop\n  plumbline init --service shop --from-openapi openapi.yaml",
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := plumbline.CheckName(service); err != nil {
				return usagef("--service: %w", err)
			}
			return a.init(cmd.Context(), service, document)
		},
	}
	cmd.Flags().StringVar(&service, "service", "app", "`NAME` of the service")
	cmd.Flags().StringVar(&document, "from-openapi", "", "OpenAPI 3.0 or 3.1 `FILE`, in YAML or JSON")
	return cmd
}

// A draft is what init writes.
type draft struct {
	service     string
	connections string // of the configuration, as YAML
	files       map[string]string
	checks      int
	notes       []string
}

func (a *app) init(ctx context.Context, service, document string) error {
	d := draft{service: service, files: map[string]string{}}
	suite := filepath.Join("suites", service+".yaml")
	if document == "" {
		d.files[suite] = strings.ReplaceAll(firstSuite, "SERVICE", service)
	} else if err := d.fromOpenAPI(ctx, suite, document); err != nil {
		return usagef("--from-openapi: %w", err)
	}
	config := filepath.FromSlash(configs.DefaultFile)
	if a.config != "" {
		config = a.config
	}
	d.files[config] = strings.NewReplacer("SERVICE", service, "CONNECTIONS\n", d.connections).Replace(firstConfig)
	if err := d.write(); err != nil {
		return err
	}
	return a.saidInit(d, suite, config)
}

// write creates every file, or none where one is there already.
func (d draft) write() error {
	var names []string
	for name := range d.files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return usagef("%s is there already: init writes over nothing", name)
		}
	}
	for _, name := range names {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { // #nosec G301 -- suites are source code, for whoever may see the project
			return usagef("%w", err)
		}
		if err := create(name, d.files[name]); err != nil {
			return usagef("%w", err)
		}
	}
	return nil
}

func create(name, text string) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) // #nosec G302 G304 -- suites are source code; the name is the user's own
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// saidInit loads what was written, as the next command will.
func (a *app) saidInit(d draft, suite, config string) error {
	settings, _, err := configs.Load(configs.Source{File: config, WithoutSecrets: true})
	if err != nil {
		return &exit{exitUsage, err}
	}
	loaded, err := suites.Load([]string{suite}, daemon.SuiteOptions(settings, nil))
	if err != nil {
		return &exit{exitUsage, err}
	}
	s := a.style()
	fmt.Fprintf(a.Out, "%s %s  %s\n", s.Green("✓"), suite, s.Dim(count(len(loaded[0].Checks), "check")))
	fmt.Fprintf(a.Out, "%s %s\n", s.Green("✓"), config)
	for _, note := range d.notes {
		fmt.Fprintf(a.Out, "%s %s\n", s.Yellow("!"), note)
	}
	fmt.Fprintf(a.Out, "\nedit both, then\n  plumbline lint %s %s\n  plumbline run %s --environment %s/green\n", suite, config, suite, d.service)
	return nil
}
