package emulator

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"time"
)

// withFaults asks the injected function about every request before next sees it.
func (f *Forge) withFaults(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		decide := f.fault
		f.mu.Unlock()
		var fault *Fault
		if decide != nil {
			fault = decide(r)
		}
		if fault == nil {
			next.ServeHTTP(w, r)
			return
		}
		fault.serve(w, r, next, f.faultBody(fault))
	})
}

// faultBody is the answer in the form of the service that the forge is.
func (f *Forge) faultBody(fault *Fault) obj {
	message := cmp.Or(fault.Message, http.StatusText(fault.Status))
	if f.azure != nil {
		return (&azureError{status: fault.Status, message: message}).json()
	}
	return obj{"message": message, "documentation_url": cmp.Or(fault.Documentation, docsAddress)}
}

func (fault *Fault) serve(w http.ResponseWriter, r *http.Request, next http.Handler, body obj) {
	if fault.Delay > 0 {
		timer := time.NewTimer(fault.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case fault.DropResponse:
		next.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler) // the server closes the connection without a byte
	case fault.Status != 0:
		for k, v := range fault.Header {
			w.Header()[k] = v
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(fault.Status)
		_ = json.NewEncoder(w).Encode(body)
	default:
		next.ServeHTTP(w, r)
	}
}
