package controller

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// pretender answers writes to the API server itself and tells of them whoever reads through it. Nothing but GET leaves the
// program. Watches tell of pretended writes only, so that a dry run works on the cluster as it was when it began. It knows
// what controllers do: create, merge patch and delete, all in JSON.
type pretender struct {
	next    http.RoundTripper
	store   *pretendedStore
	writing *sync.Mutex // one write at a time: each begins with a read
}

// place is where an object is: "/api/v1/pods", namespace and name; without a name it is the whole collection.
type place struct{ collection, namespace, name string }

// placeOf reads a path of the API server. It is not ok for paths that are of no resource.
func placeOf(path string) (at place, subresource string, ok bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	root := slices.IndexFunc(parts, func(p string) bool { return p == "api" || p == "apis" })
	if root < 0 {
		return at, "", false
	}
	parts = parts[root:]
	group := 2 // api/VERSION
	if parts[0] == "apis" {
		group = 3
	}
	if len(parts) <= group {
		return at, "", false
	}
	prefix, rest := parts[:group], parts[group:]
	if rest[0] == "namespaces" && len(rest) > 2 {
		at.namespace, rest = rest[1], rest[2:]
	}
	at.collection = "/" + strings.Join(prefix, "/") + "/" + rest[0]
	if len(rest) > 1 {
		at.name = rest[1]
	}
	return at, strings.Join(rest[min(2, len(rest)):], "/"), true
}

// kind is what errors call the objects of a collection.
func (p place) kind() schema.GroupResource {
	return schema.GroupResource{Resource: p.collection[strings.LastIndex(p.collection, "/")+1:]}
}

// RoundTrip is part of http.RoundTripper.
func (p *pretender) RoundTrip(r *http.Request) (*http.Response, error) {
	at, subresource, ok := placeOf(r.URL.Path)
	if r.Method == http.MethodGet {
		switch {
		case !ok:
			return p.next.RoundTrip(r)
		case at.name != "":
			return p.get(r, at, subresource)
		case r.URL.Query().Get("watch") != "":
			return p.watch(r, at)
		}
		return p.list(r, at)
	}
	if r.Body != nil {
		defer r.Body.Close()
	}
	p.writing.Lock()
	defer p.writing.Unlock()
	switch {
	case ok && r.Method == http.MethodPost && at.name == "":
		return p.create(r, at)
	case r.Method == http.MethodPatch && r.Header.Get("Content-Type") == string(types.MergePatchType):
		return p.patch(r, at, subresource)
	case r.Method == http.MethodDelete && at.name != "":
		return p.delete(r, at)
	}
	return refuse(r, apierrors.NewMethodNotSupported(at.kind(), r.Method))
}

func (p *pretender) get(r *http.Request, at place, subresource string) (*http.Response, error) {
	object, refusal, err := p.read(r, at, subresource)
	if object == nil {
		return refusal, err
	}
	return answer(r, http.StatusOK, object)
}

// read is an object as it is now, or the answer that there is none.
func (p *pretender) read(r *http.Request, at place, subresource string) (jsonObject, *http.Response, error) {
	if written := p.store.get(at); written != nil && written.content != nil {
		return written.content, nil, nil
	} else if written != nil {
		refusal, err := refuse(r, apierrors.NewNotFound(at.kind(), at.name))
		return nil, refusal, err
	}
	get := r.Clone(r.Context())
	get.Method, get.Body, get.ContentLength = http.MethodGet, nil, 0
	get.Header.Del("Content-Type")
	get.URL.Path, get.URL.RawPath, get.URL.RawQuery = strings.TrimSuffix(r.URL.Path, "/"+subresource), "", ""
	response, err := p.next.RoundTrip(get)
	if err != nil || response.StatusCode != http.StatusOK {
		return nil, response, err
	}
	defer response.Body.Close()
	var object jsonObject
	err = decode(response.Body, &object)
	return object, nil, err
}

// list is the real list with what was written since.
func (p *pretender) list(r *http.Request, at place) (*http.Response, error) {
	get := r.Clone(r.Context())
	query := get.URL.Query()
	if pretended(query.Get("resourceVersion")) {
		query.Del("resourceVersion")
		query.Del("resourceVersionMatch")
		get.URL.RawQuery = query.Encode()
	}
	response, err := p.next.RoundTrip(get)
	if err != nil || response.StatusCode != http.StatusOK {
		return response, err
	}
	defer response.Body.Close()
	var list struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Metadata   metav1.ListMeta   `json:"metadata"`
		Items      []json.RawMessage `json:"items"`
	}
	if err := decode(response.Body, &list); err != nil {
		return nil, err
	}
	if list.Items, list.Metadata.ResourceVersion, err = p.store.merge(at, list.Items, list.Metadata.Continue == ""); err != nil {
		return nil, err
	}
	return answer(r, http.StatusOK, list)
}

// watch tells of writes after the version that is asked for. A list has to come first: a stream that begins with what is there
// is refused, which makes clients list.
func (p *pretender) watch(r *http.Request, at place) (*http.Response, error) {
	query := r.URL.Query()
	if query.Get("sendInitialEvents") != "" {
		return refuse(r, apierrors.NewBadRequest("a dry run lists first"))
	}
	after, _ := strconv.ParseUint(query.Get("resourceVersion"), 10, 64)
	body, pipe := io.Pipe()
	go func() {
		for {
			frames, more := p.store.since(at.collection, &after)
			for _, frame := range frames {
				if _, err := pipe.Write(frame); err != nil {
					return // the reader is gone
				}
			}
			select {
			case <-more:
			case <-r.Context().Done():
				pipe.CloseWithError(r.Context().Err())
				return
			}
		}
	}()
	return respond(r, http.StatusOK, body), nil
}

func (p *pretender) create(r *http.Request, at place) (*http.Response, error) {
	var object jsonObject
	if err := decode(r.Body, &object); err != nil {
		return refuse(r, apierrors.NewBadRequest(err.Error()))
	}
	at.name, _ = metadata(object)["name"].(string)
	existing := r.Clone(r.Context())
	existing.URL.Path += "/" + at.name
	found, refusal, err := p.read(existing, at, "")
	switch {
	case err != nil:
		return nil, err
	case found != nil:
		return refuse(r, apierrors.NewAlreadyExists(at.kind(), at.name))
	case refusal.StatusCode != http.StatusNotFound:
		return refusal, nil
	}
	refusal.Body.Close()
	return answer(r, http.StatusCreated, p.store.create(at, object))
}

func (p *pretender) patch(r *http.Request, at place, subresource string) (*http.Response, error) {
	var patch jsonObject
	if err := decode(r.Body, &patch); err != nil {
		return refuse(r, apierrors.NewBadRequest(err.Error()))
	}
	object, refusal, err := p.read(r, at, subresource)
	if object == nil {
		return refusal, err
	}
	// Before the first write of ours the object may have a newer version than the one that was listed.
	if version, locked := metadata(patch)["resourceVersion"].(string); locked && pretended(version) && version != metadata(object)["resourceVersion"] {
		return refuse(r, apierrors.NewConflict(at.kind(), at.name, fmt.Errorf("it is not version %s any more", version)))
	}
	if subresource != "" {
		patch = jsonObject{subresource: patch[subresource]}
	} else if meta := metadata(patch); meta != nil {
		delete(meta, "resourceVersion")
	}
	return answer(r, http.StatusOK, p.store.patch(at, object, patch, subresource == ""))
}

func (p *pretender) delete(r *http.Request, at place) (*http.Response, error) {
	var options metav1.DeleteOptions
	if r.Body != nil {
		if err := decode(r.Body, &options); err != nil && err != io.EOF {
			return refuse(r, apierrors.NewBadRequest(err.Error()))
		}
	}
	object, refusal, err := p.read(r, at, "")
	if object == nil {
		return refusal, err
	}
	if c := options.Preconditions; c != nil && c.UID != nil && string(*c.UID) != metadata(object)["uid"] {
		return refuse(r, apierrors.NewConflict(at.kind(), at.name, fmt.Errorf("it is not %s any more", *c.UID)))
	}
	return answer(r, http.StatusOK, p.store.delete(at, object))
}

func decode(from io.Reader, into any) error {
	decoder := json.NewDecoder(from)
	decoder.UseNumber()
	return decoder.Decode(into)
}

func answer(r *http.Request, code int, object any) (*http.Response, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	return respond(r, code, io.NopCloser(strings.NewReader(string(text)))), nil
}

func refuse(r *http.Request, err *apierrors.StatusError) (*http.Response, error) {
	status := err.Status()
	status.APIVersion, status.Kind = "v1", "Status"
	return answer(r, int(status.Code), status)
}

func respond(r *http.Request, code int, body io.ReadCloser) *http.Response {
	return &http.Response{
		StatusCode: code, Status: http.StatusText(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: body, Request: r,
	}
}
