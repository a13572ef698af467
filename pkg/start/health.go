package start

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// HealthCentral says what is wrong with the databases and ovn-northd of this pod; nil when nothing is. For liveness they
// only have to answer: a member that lost its cluster is not helped by a restart.
func HealthCentral(ctx context.Context, get Getenv, live bool) error {
	c, err := NewCentral(get)
	if err != nil {
		return err
	}
	var wrong []error
	for _, db := range []database{c.nb, c.sb} {
		if live {
			_, err := run(ctx, "ovs-appctl", "-T", "5", "-t", db.control, "version")
			wrong = append(wrong, err)
			continue
		}
		wrong = append(wrong, c.databaseHealth(ctx, db))
	}
	if _, err := c.northdStatus(ctx); err != nil {
		wrong = append(wrong, err)
	}
	return errors.Join(wrong...)
}

func (c *Central) databaseHealth(ctx context.Context, db database) error {
	if len(c.nodes) > 1 {
		status, err := db.clusterStatus(ctx)
		if err != nil {
			return err
		}
		return status.health(db.name)
	}
	out, err := run(ctx, "ovs-appctl", "-T", "5", "-t", db.control, "ovsdb-server/get-db-storage-status", db.name)
	if err != nil {
		return err
	}
	if !strings.Contains(out, "status: ok") {
		return fmt.Errorf("%s: %s", db.name, out)
	}
	return nil
}

// HealthOVS says what is wrong with OVS and ovn-controller of this pod. For liveness they only have to answer; a node is
// ready when ovn-controller also has the southbound database.
func HealthOVS(ctx context.Context, get Getenv, live bool) error {
	e := &env{get: get}
	l := e.layout()
	var wrong []error
	for _, daemon := range []string{"ovsdb-server", "ovs-vswitchd"} {
		_, err := l.appctl(ctx, "ovs-appctl", daemon, "version")
		wrong = append(wrong, err)
	}
	status, err := l.appctl(ctx, "ovn-appctl", "ovn-controller", "connection-status")
	if err == nil && status != "connected" && !live {
		err = fmt.Errorf("ovn-controller is %s from the southbound database", status)
	}
	return errors.Join(append(wrong, err)...)
}
