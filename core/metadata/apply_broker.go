package metadata

import (
	"fmt"
	"slices"

	"ottla.dev/core"
)

func (d *delta) registerBroker(r *RegisterBrokerRecord) error {
	b := &Broker{
		ID: r.Broker, Epoch: r.Epoch, Incarnation: r.Incarnation, Endpoints: r.Endpoints, Features: r.Features,
		LogDirs: r.LogDirs, Fenced: r.Fenced, InControlledShutdown: r.InControlledShutdown,
	}
	if r.Rack != nil {
		b.Rack = *r.Rack
	}
	d.putBroker(b)
	return nil
}

func (d *delta) putBroker(b *Broker) {
	i, found := findBroker(d.next.brokers, b.ID)
	brokers := slices.Clone(d.next.brokers)
	if found {
		brokers[i] = b
	} else {
		brokers = slices.Insert(brokers, i, b)
	}
	d.next.brokers = brokers
}

func (d *delta) unregisterBroker(r *UnregisterBrokerRecord) error {
	if _, err := d.broker(r.Broker, r.Epoch); err != nil {
		return err
	}
	i, _ := findBroker(d.next.brokers, r.Broker)
	d.next.brokers = slices.Delete(slices.Clone(d.next.brokers), i, i+1)
	return nil
}

// broker returns the registration that a record is about; its epoch fences records of earlier incarnations.
func (d *delta) broker(id core.BrokerID, epoch core.BrokerEpoch) (*Broker, error) {
	b := d.next.Broker(id)
	switch {
	case b == nil:
		return nil, fmt.Errorf("broker %d is not registered", id)
	case b.Epoch != epoch:
		return nil, fmt.Errorf("broker %d has epoch %d, not %d", id, b.Epoch, epoch)
	}
	return b, nil
}

func (d *delta) changeBroker(id core.BrokerID, epoch core.BrokerEpoch, change func(*Broker)) error {
	b, err := d.broker(id, epoch)
	if err != nil {
		return err
	}
	next := *b
	change(&next)
	d.putBroker(&next)
	return nil
}

func (d *delta) changeRegistration(r *BrokerRegistrationChangeRecord) error {
	if r.Fencing < Unfence || r.Fencing > Fence {
		return fmt.Errorf("broker %d: fencing change %d", r.Broker, r.Fencing)
	}
	if r.ControlledShutdown != 0 && r.ControlledShutdown != 1 {
		return fmt.Errorf("broker %d: controlled shutdown change %d", r.Broker, r.ControlledShutdown)
	}
	return d.changeBroker(r.Broker, r.Epoch, func(b *Broker) {
		if r.Fencing != FencingUnchanged {
			b.Fenced = r.Fencing == Fence
		}
		if r.ControlledShutdown == 1 {
			b.InControlledShutdown = true
		}
		if len(r.LogDirs) > 0 {
			b.LogDirs = r.LogDirs
		}
	})
}

func (d *delta) registerController(r *RegisterControllerRecord) error {
	c := &Controller{
		ID: r.Controller, Incarnation: r.Incarnation, ZKMigrationReady: r.ZKMigrationReady,
		Endpoints: r.Endpoints, Features: r.Features,
	}
	i, found := findController(d.next.controllers, c.ID)
	controllers := slices.Clone(d.next.controllers)
	if found {
		controllers[i] = c
	} else {
		controllers = slices.Insert(controllers, i, c)
	}
	d.next.controllers = controllers
	return nil
}
