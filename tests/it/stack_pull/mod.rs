//! `hoist stack:pull`: from an image in a registry to a stack that apps are built on, without any container engine. `story` goes
//! all the way, with hoist's own registry as the peer; `registries` asks for what registries may want; `hostile` meets those that
//! mean no good. `peer` is a registry made by hand.

mod hostile;
mod peer;
mod registries;
mod story;
