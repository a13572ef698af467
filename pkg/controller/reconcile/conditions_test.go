package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/kubeovn/kube-ovn/pkg/apis/kubeovn/v1"
	"github.com/kubeovn/kube-ovn/pkg/ovs"
)

// text prints conditions as "Type=Status(Reason)".
func text(conds []v1.Condition) string {
	var parts []string
	for _, c := range conds {
		parts = append(parts, c.Type+"="+string(c.Status)+"("+c.Reason+")")
	}
	return strings.Join(parts, " ")
}

func TestSetOutcome(t *testing.T) {
	var conds []v1.Condition
	at := func(second int64) metav1.Time { return metav1.NewTime(time.Unix(second, 0)) }
	steps := []struct {
		name    string
		outcome Outcome
		want    string
	}{
		{"refused", Outcome{Reason: "Bad", Invalid: true}, "Validated=False(Bad) Ready=False(Bad) Error=True(Bad)"},
		{"accepted, not in effect", Outcome{Reason: "Busy"}, "Validated=True(Busy) Ready=False(Busy) Error=True(Busy)"},
		{"in effect", Outcome{Reason: "Done", Ready: true}, "Validated=True(Done) Ready=True(Done) Error=False(Done)"},
	}
	for i, step := range steps {
		SetOutcome(&conds, int64(i), step.outcome, at(int64(i)))
		if got := text(conds); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
		for _, c := range conds {
			if c.ObservedGeneration != int64(i) || c.LastUpdateTime != at(int64(i)) {
				t.Errorf("%s: %s: generation %d at %v", step.name, c.Type, c.ObservedGeneration, c.LastUpdateTime)
			}
		}
	}
	before := text(conds)
	SetOutcome(&conds, 2, steps[2].outcome, at(9))
	if text(conds) != before || conds[1].LastUpdateTime != at(2) {
		t.Errorf("an equal outcome changed %s to %s", before, text(conds))
	}

	var fresh []v1.Condition
	SetOutcome(&fresh, 1, Outcome{Reason: "Done", Ready: true}, at(1))
	if got, want := text(fresh), "Validated=True(Done) Ready=True(Done)"; got != want {
		t.Errorf("first success: %s, want %s", got, want)
	}
}

func TestStatusPatch(t *testing.T) {
	first := v1.IPPoolStatus{V4UsingIPs: v1.NewBigInt(1)}
	second := first
	second.V4UsingIPs = v1.NewBigInt(2)
	whole, err := json.Marshal(map[string]any{"status": first})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name          string
		before, after v1.IPPoolStatus
		want          string
	}{
		{"the first is whole", v1.IPPoolStatus{}, first, string(whole)},
		{"later ones are differences", first, second, `{"status":{"v4UsingIPs":2}}`},
		{"equal ones are nothing", first, first, ""},
		{"empty ones are nothing", v1.IPPoolStatus{}, v1.IPPoolStatus{}, ""},
	} {
		if got, err := StatusPatch(test.before, test.after); err != nil || string(got) != test.want {
			t.Errorf("%s: got %s, %v", test.name, got, err)
		}
	}
	if !strings.Contains(string(whole), `"v6UsingIPs":0`) {
		t.Errorf("zeros are left out of %s", whole)
	}
}

func TestOutcomeOf(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want Outcome
		tell bool
	}{
		{"success", nil, Outcome{Reason: "Done", Ready: true}, true},
		{"user's mistake", fmt.Errorf("subnet s: %w", Invalid("Bad", "cidr %s", "x")), Outcome{Reason: "Bad", Message: "cidr x", Invalid: true}, true},
		{"blocked", Blocked("InUse", "subnet %s", "s"), Outcome{Reason: "InUse", Message: "waiting for subnet s"}, true},
		{"unexpected", errors.New("boom"), Outcome{Reason: "Failed", Message: "boom"}, true},
		{"a moment", Wait("vpc v"), Outcome{Message: "waiting for vpc v"}, false},
		{"lost database", ovs.ErrDisconnected, Outcome{Reason: "Failed", Message: ovs.ErrDisconnected.Error()}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, tell := OutcomeOf(test.err, "Done", "Failed")
			if got != test.want || tell != test.tell {
				t.Errorf("got %+v, %v", got, tell)
			}
		})
	}
}

func TestNews(t *testing.T) {
	said := Outcome{Reason: "Busy", Message: "with x"}
	var conds []v1.Condition
	if !said.News(conds) {
		t.Error("the first verdict is no news")
	}
	SetOutcome(&conds, 1, said, metav1.Now())
	for _, test := range []struct {
		name    string
		outcome Outcome
		want    bool
	}{
		{"the same again", said, false},
		{"another reason", Outcome{Reason: "Bad", Message: "with x"}, true},
		{"another message", Outcome{Reason: "Busy", Message: "with y"}, true},
	} {
		if got := test.outcome.News(conds); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestSoon(t *testing.T) {
	made := metav1.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	object := &v1.OvnFip{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: made}}
	blocked := Blocked("NotThere", "ip web")
	for _, test := range []struct {
		name string
		err  error
		age  time.Duration
		told bool
	}{
		{"made just now", blocked, time.Second, false},
		{"made a while ago", blocked, firstLook, true},
		{"made by a clock that is ahead", blocked, -time.Second, true},
		{"a mistake", Invalid("Wrong", "no such port"), time.Second, true},
		{"an error", errors.New("no"), time.Second, true},
		{"success", nil, time.Second, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			outcome := Soon(test.err, object, made.Add(test.age))
			if _, told := OutcomeOf(outcome, "", ""); told != test.told {
				t.Errorf("told %v, want %v", told, test.told)
			}
			if (outcome == nil) != (test.err == nil) || outcome != nil && classify(outcome) != classify(test.err) {
				t.Errorf("%v is treated otherwise than %v", outcome, test.err)
			}
		})
	}
}
