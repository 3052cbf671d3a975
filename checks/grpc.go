package checks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

type grpcParameters struct {
	Address *yaml.Node `yaml:"address"`
	Service *yaml.Node `yaml:"service"`
	Call    *yaml.Node `yaml:"call"`
	Request *yaml.Node `yaml:"request"`
	Headers *yaml.Node `yaml:"headers"`
	Auth    *yaml.Node `yaml:"auth"`
	TLS     *yaml.Node `yaml:"tls"`
}

var grpcPlaces = []string{"status", "message", "latency", "size", "body", "certificate", anyHeader, anyPath}

// A grpcTalk asks for health, or makes one unary call that the server describes by reflection.
type grpcTalk struct {
	engine  *engine
	plain   bool     // without TLS, where the address doesn't say
	service template // whose health is asked
	call    string   // package.Service/Method, or nothing for health
	request tree
	headers []pair
	auth    string
	named   bool // the suite says which status it wants
}

// grpc is the kind of calls: {grpc: "host:port"} asks for health, {grpc: {address: …, call: pkg.Service/Method,
// request: {…}}} calls. Unless the suite says otherwise, the status must be OK, and the health SERVING.
func (e *engine) grpc() Kind {
	return Kind{Compile: func(d Definition) (Compiled, strictyaml.Problems) {
		w := wire{e, d.reader(grpcPlaces...), d}
		var p grpcParameters
		w.main(d.Value, &p, &p.Address)
		if p.Address == nil {
			w.wrongHint(d.Value, "write address: host:port", "grpc needs an address")
			return Compiled{}, w.problems
		}
		t := &grpcTalk{engine: e, request: tree{fixed: map[string]any{}}}
		w.grpcCall(t, p)
		if t.auth = d.Auth; p.Auth != nil {
			t.auth = w.connection(p.Auth)
		}
		if t.auth == NoAuth {
			t.auth = ""
		}
		if p.TLS != nil {
			t.plain = !w.flag(p.TLS)
		}
		name, effect, unless := "grpc "+p.Address.Value, plumbline.EffectNone, []expected{fixed("status", codeName(codes.OK))}
		if t.call != "" {
			name, effect = "grpc "+t.call, plumbline.EffectLasting
		}
		if code := strictyaml.Value(d.Expect, "status"); code != nil {
			w.oneOfWords(code, "status of gRPC", codeNames)
		}
		compiled, problems := w.compile(w.address(p.Address, ""), name, effect, unless, t.converse)
		c := compiled.Prober.(*wireCheck)
		t.named = strictyaml.Value(d.Expect, "status") != nil
		if t.call == "" && !t.named && !looksAt(c.expect, nil, anyPath) {
			serving := grpc_health_v1.HealthCheckResponse_SERVING.String()
			c.expect.items = append(c.expect.items, expected{selector{key: healthPlace}, ifThere{comparison{"", tree{fixed: serving}, equal}}})
		}
		return compiled, problems
	}}
}

var (
	callRule     = regexp.MustCompile(`^/?([A-Za-z_][\w.]*)/([A-Za-z_]\w*)$`)
	metadataRule = regexp.MustCompile(`^[0-9a-z_.-]+$`)
)

// grpcCall reads what is called and sent.
func (r *reader) grpcCall(t *grpcTalk, p grpcParameters) {
	if p.Call != nil {
		if t.call = strings.TrimPrefix(p.Call.Value, "/"); !callRule.MatchString(t.call) {
			r.wrongHint(p.Call, "write package.Service/Method", "call %q is no method", p.Call.Value)
		}
	}
	if p.Service != nil {
		if t.service = r.words(p.Service); t.call != "" {
			r.wrongHint(p.Service, "leave out call to ask for health", "service beside call")
		}
	}
	if p.Request != nil {
		if t.request = r.tree(p.Request); p.Request.Kind != yaml.MappingNode {
			r.wrongHint(p.Request, "write {id: 1}", "request takes a map")
		}
		if t.call == "" {
			r.wrongHint(p.Request, "write call: package.Service/Method", "a request without a call")
		}
	}
	for _, h := range r.pairs("headers", p.Headers) {
		h.name = strings.ToLower(h.name)
		if !metadataRule.MatchString(h.name) || strings.HasPrefix(h.name, "grpc-") || strings.HasSuffix(h.name, "-bin") {
			r.wrong(p.Headers, "header %q is not for suites to set", h.name)
		}
		t.headers = append(t.headers, h)
	}
}

// healthPlace is where health is, as suites would write it. It is looked at unless they do.
const healthPlace = "$.status"

// ifThere holds a matcher against what is there alone: the status has said already why nothing is.
type ifThere struct{ matcher }

func (m ifThere) wrong(f found, s *scene) ([]string, error) {
	if !f.there {
		return nil, nil
	}
	return m.matcher.wrong(f, s)
}

// codeNames are the statuses of gRPC, by number.
var codeNames = []string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}

func codeName(code codes.Code) string {
	if int(code) < len(codeNames) {
		return codeNames[code]
	}
	return fmt.Sprint(uint32(code))
}

func (t *grpcTalk) converse(ctx context.Context, s *scene, to endpoint) (*exchange, error) {
	now, at := t.engine.clients.Now, &progress{}
	x, started := &exchange{headers: http.Header{}, given: map[string]any{}}, now()
	request, err := t.request.value(s)
	if err != nil {
		return nil, err
	}
	service, err := t.service.text(s)
	if err != nil {
		return nil, err
	}
	q, has, err := t.authorize(ctx, s, to)
	if err != nil {
		return nil, err
	}
	link, err := t.open(to, has, at)
	if err != nil {
		return nil, err
	}
	defer link.Close()
	ctx = metadata.NewOutgoingContext(ctx, lower(q.header))
	if t.call == "" {
		err = t.health(ctx, x, link, service)
	} else {
		err = t.invoke(ctx, x, link, request)
	}
	x.latency = now().Sub(started)
	x.certified(link.state, chainOf(link.state), now())
	return x, t.judge(ctx, x, link, err)
}

// secure says whether the call goes over TLS: unless the address or the suite says no.
func (t *grpcTalk) secure(to endpoint) bool {
	return to.scheme == "https" || to.scheme == "" && !t.plain
}

func (t *grpcTalk) authorize(ctx context.Context, s *scene, to endpoint) (*request, credential, error) {
	headers, err := values(t.headers, s)
	if err != nil {
		return nil, credential{}, err
	}
	if err := s.allowed(to); err != nil {
		return nil, credential{}, err
	}
	scheme := "http"
	if t.secure(to) {
		scheme = "https"
	}
	q := &request{method: http.MethodPost, target: to.url(scheme), header: http.Header{}}
	for name, list := range headers {
		q.header[http.CanonicalHeaderKey(name)] = list
	}
	if t.auth == "" {
		return q, credential{}, nil
	}
	has, err := s.authorize(ctx, t.auth, q, nil)
	if err == nil && has.sign != nil {
		err = fmt.Errorf("auth %s: a connection that signs requests can't be used with grpc", t.auth)
	}
	return q, has, err
}

func lower(header http.Header) metadata.MD {
	md := metadata.MD{}
	for name, list := range header {
		md.Append(strings.ToLower(name), list...)
	}
	return md
}

// health asks the server for its health, or that of one of its services.
func (t *grpcTalk) health(ctx context.Context, x *exchange, link *grpcLink, service string) error {
	var header, trailer metadata.MD
	answer, err := grpc_health_v1.NewHealthClient(link.ClientConn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service},
		grpc.Header(&header), grpc.Trailer(&trailer))
	x.heard(header, trailer)
	if err != nil {
		return err
	}
	x.given[healthPlace] = answer.GetStatus().String()
	return x.message(answer, protojson.MarshalOptions{EmitDefaultValues: true})
}

// invoke makes the call, with messages as the server describes them.
func (t *grpcTalk) invoke(ctx context.Context, x *exchange, link *grpcLink, request any) error {
	method, types, err := link.describe(ctx, t.call, t.engine.clients.BodyLimit)
	if err != nil {
		return err
	}
	encoded, err := json.Marshal(request)
	if err != nil {
		return unasked{"the request can't be written as JSON", err}
	}
	in, out := dynamicpb.NewMessage(method.Input()), dynamicpb.NewMessage(method.Output())
	if err := (protojson.UnmarshalOptions{Resolver: types}).Unmarshal(encoded, in); err != nil {
		reason := strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\u00a0", " "), "proto: ") // the library varies its spaces
		return unasked{fmt.Sprintf("the request is no %s: %s", method.Input().FullName(), cut(reason, 200)), err}
	}
	link.at.is("waiting for the answer")
	var header, trailer metadata.MD
	err = link.Invoke(ctx, "/"+t.call, in, out, grpc.Header(&header), grpc.Trailer(&trailer))
	x.heard(header, trailer)
	if err != nil {
		return err
	}
	return x.message(out, protojson.MarshalOptions{EmitDefaultValues: true, Resolver: types})
}

// heard keeps the metadata that came before and after the answer.
func (x *exchange) heard(all ...metadata.MD) {
	for _, md := range all {
		for name, list := range md {
			for _, value := range list {
				x.headers.Add(name, value)
			}
		}
	}
}

// message is the answer in the JSON form of protocol buffers, as the body.
func (x *exchange) message(m proto.Message, form protojson.MarshalOptions) error {
	encoded, err := form.Marshal(m)
	if err != nil {
		return unasked{"the answer can't be written as JSON: " + cut(err.Error(), 200), err}
	}
	var b bytes.Buffer
	if err := json.Compact(&b, encoded); err != nil {
		return err
	}
	x.body = b.Bytes()
	return nil
}

// judge tells a status that the server answered from a call that never reached it.
func (t *grpcTalk) judge(ctx context.Context, x *exchange, link *grpcLink, err error) error {
	answered := status.Convert(err)
	x.given["status"], x.given["message"] = codeName(answered.Code()), answered.Message()
	if answered.Message() != "" {
		x.remark = "the server says " + show(answered.Message())
	}
	var prepared unasked
	switch {
	case err == nil, errors.Is(err, plumbline.ErrFailed):
		return err
	case errors.As(err, &prepared):
		return err
	case ctx.Err() != nil || answered.Code() == codes.DeadlineExceeded && endsNow(ctx):
		return explain(ctx, err, link.at.String(), x.latency)
	case link.broken() != nil:
		return explain(ctx, link.broken(), link.at.String(), x.latency)
	case strings.Contains(answered.Message(), "received message larger than max"):
		return plumbline.Failf("body: got more than %s", bytesOf(t.engine.clients.BodyLimit))
	case strings.Contains(answered.Message(), "header list size exceeded"):
		return plumbline.Failf("headers: got more than %s", bytesOf(MaxHeaderBytes))
	case answered.Code() == codes.Unavailable && !t.named:
		return unasked{"UNAVAILABLE: " + cut(answered.Message(), 200), err}
	}
	return nil
}

// endsNow says whether ctx is about to end, and waits for it: a server that was told the deadline may notice it first.
func endsNow(ctx context.Context) bool {
	const about = 200 * time.Millisecond
	if deadline, is := ctx.Deadline(); !is || time.Until(deadline) > about {
		return false
	}
	<-ctx.Done()
	return true
}
