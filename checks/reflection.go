package checks

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	secrecy "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// A grpcLink is a connection of one check, which knows why it could not be made: the library says so in texts alone.
type grpcLink struct {
	*grpc.ClientConn
	at    *progress
	mu    sync.Mutex
	cause error
	state *tls.ConnectionState
}

// open prepares a connection; it is made by the first call.
func (t *grpcTalk) open(to endpoint, has credential, at *progress) (*grpcLink, error) {
	link := &grpcLink{at: at}
	transport := t.engine.clients.Transport
	if has.own != nil {
		own, is := has.own.transport.(*http.Transport)
		if !is {
			return nil, fmt.Errorf("auth %s can't be used with grpc", t.auth)
		}
		transport = own
	}
	over := insecure.NewCredentials()
	if t.secure(to) {
		over = watched{secrecy.NewTLS(tlsConfig(transport, "")), link} // the name is the address's
	}
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		conn, err := t.engine.clients.Transport.DialContext(at.follow(ctx), "tcp", to.String())
		link.failed(err)
		at.is("waiting for the answer")
		return conn, err
	}
	var err error
	link.ClientConn, err = grpc.NewClient("passthrough:///"+to.String(),
		grpc.WithTransportCredentials(over), grpc.WithContextDialer(dial), grpc.WithNoProxy(), grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
		grpc.WithMaxHeaderListSize(MaxHeaderBytes), grpc.WithUserAgent("plumbline"),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(int(t.engine.clients.BodyLimit))))
	return link, err
}

func (l *grpcLink) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cause = err
}

func (l *grpcLink) broken() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// watched are credentials that tell the link how the handshake went.
type watched struct {
	secrecy.TransportCredentials
	link *grpcLink
}

func (w watched) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, secrecy.AuthInfo, error) {
	w.link.at.is("in the TLS handshake")
	conn, info, err := w.TransportCredentials.ClientHandshake(ctx, authority, raw)
	w.link.failed(err)
	if err == nil {
		w.link.at.is("waiting for the answer")
	}
	if secure, is := info.(secrecy.TLSInfo); is && err == nil {
		w.link.mu.Lock()
		defer w.link.mu.Unlock()
		w.link.state = &secure.State
	}
	return conn, info, err
}

func (w watched) Clone() secrecy.TransportCredentials {
	return watched{w.TransportCredentials.Clone(), w.link}
}

// The names that servers have had for reflection, the later one first. Their messages are the same.
var reflections = []string{"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}

const maxDescriptors = 500 // files

// describe asks the server what a method takes and gives.
func (l *grpcLink) describe(ctx context.Context, call string, limit int64) (protoreflect.MethodDescriptor, *dynamicpb.Types, error) {
	l.at.is("asking the server for its methods")
	service, name, _ := strings.Cut(call, "/")
	var files map[string]*descriptorpb.FileDescriptorProto
	var err error
	for _, reflection := range reflections {
		if files, err = l.files(ctx, reflection, service, limit); status.Code(err) != codes.Unimplemented {
			break
		}
	}
	switch {
	case status.Code(err) == codes.Unimplemented:
		return nil, nil, unasked{"the server has no reflection, which a call needs", err}
	case err != nil:
		return nil, nil, err
	}
	set := &descriptorpb.FileDescriptorSet{}
	for _, file := range files {
		set.File = append(set.File, file)
	}
	known, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, nil, unasked{"the server's reflection can't be read: " + cut(err.Error(), 200), err}
	}
	found, err := known.FindDescriptorByName(protoreflect.FullName(service))
	described, is := found.(protoreflect.ServiceDescriptor)
	if err != nil || !is {
		return nil, nil, unasked{"the server has no service " + service, err}
	}
	method := described.Methods().ByName(protoreflect.Name(name))
	switch {
	case method == nil:
		return nil, nil, unasked{"the service " + service + " has no method " + name, errors.New("unknown")}
	case method.IsStreamingClient() || method.IsStreamingServer():
		return nil, nil, unasked{call + " is a stream, want a call with one answer", errors.New("stream")}
	}
	return method, dynamicpb.NewTypes(known), nil
}

// files are the file that describes a service, and all that it refers to.
func (l *grpcLink) files(ctx context.Context, reflection, service string, limit int64) (map[string]*descriptorpb.FileDescriptorProto, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := l.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, reflection)
	if err != nil {
		return nil, err
	}
	r := &reflected{stream: stream, files: map[string]*descriptorpb.FileDescriptorProto{}, left: limit}
	symbol := &grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service}}
	if err := r.ask(symbol, "the server has no service "+service); err != nil {
		return nil, err
	}
	for missing := r.missing(); missing != ""; missing = r.missing() {
		if known, err := protoregistry.GlobalFiles.FindFileByPath(missing); err == nil && strings.HasPrefix(missing, "google/protobuf/") {
			r.files[missing] = protodesc.ToFileDescriptorProto(known)
			continue
		}
		file := &grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileByFilename{FileByFilename: missing}}
		if err := r.ask(file, "the server's reflection lacks "+missing); err != nil {
			return nil, err
		}
		if r.files[missing] == nil {
			return nil, unasked{"the server's reflection lacks " + missing, errors.New("missing")}
		}
	}
	return r.files, stream.CloseSend()
}

// reflected are the files that a server has described so far.
type reflected struct {
	stream grpc.ClientStream
	files  map[string]*descriptorpb.FileDescriptorProto
	left   int64 // bytes
}

func (r *reflected) ask(request *grpc_reflection_v1.ServerReflectionRequest, otherwise string) error {
	if err := r.stream.SendMsg(request); err != nil && !errors.Is(err, io.EOF) { // why it ended says the answer
		return err
	}
	answer := &grpc_reflection_v1.ServerReflectionResponse{}
	if err := r.stream.RecvMsg(answer); err != nil {
		return err
	}
	if refused := answer.GetErrorResponse(); refused != nil {
		return unasked{otherwise, errors.New(refused.GetErrorMessage())}
	}
	for _, encoded := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
		file := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(encoded, file); err != nil {
			return unasked{"the server's reflection can't be read", err}
		}
		r.left -= int64(len(encoded))
		r.files[file.GetName()] = file
	}
	if r.left < 0 || len(r.files) > maxDescriptors {
		return unasked{"the server's reflection is too large", errors.New("too large")}
	}
	return nil
}

// missing is a file that another one refers to, and that isn't there yet.
func (r *reflected) missing() string {
	for _, file := range r.files {
		for _, name := range file.GetDependency() {
			if r.files[name] == nil {
				return name
			}
		}
	}
	return ""
}
