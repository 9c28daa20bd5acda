//! Optimiser state as Burn records it. Burn's own `#[derive(RecordState)]` works only inside Burn.

use burn::optim::{StateSink, StateSource};
use burn::tensor::{Device, Tensor};

/// A field of a state: written under a name, read back from it.
pub(crate) trait Leaf: Sized {
    fn write(&self, prefix: &str, name: &str, out: &mut StateSink);
    fn read(prefix: &str, name: &str, source: &mut StateSource, device: &Device) -> Option<Self>;
}

impl<const D: usize> Leaf for Tensor<D> {
    fn write(&self, prefix: &str, name: &str, out: &mut StateSink) {
        out.push_tensor(prefix, name, self.clone().into_data());
    }

    fn read(prefix: &str, name: &str, source: &mut StateSource, device: &Device) -> Option<Self> {
        let data = source.take_tensor(prefix, name)?;
        // A record of another rank is not this state; the type is kept, f64 included.
        (data.rank() == D).then(|| {
            let dtype = data.dtype();
            Tensor::from_data(data, (device, dtype))
        })
    }
}

impl<const D: usize> Leaf for Option<Tensor<D>> {
    fn write(&self, prefix: &str, name: &str, out: &mut StateSink) {
        if let Some(tensor) = self {
            tensor.write(prefix, name, out);
        }
    }

    fn read(prefix: &str, name: &str, source: &mut StateSource, device: &Device) -> Option<Self> {
        Some(<Tensor<D> as Leaf>::read(prefix, name, source, device))
    }
}

impl Leaf for usize {
    fn write(&self, prefix: &str, name: &str, out: &mut StateSink) {
        out.push_scalar(prefix, name, (*self).into());
    }

    fn read(prefix: &str, name: &str, source: &mut StateSource, _device: &Device) -> Option<Self> {
        source.take_scalar(prefix, name)?.try_into().ok()
    }
}

impl Leaf for f64 {
    fn write(&self, prefix: &str, name: &str, out: &mut StateSink) {
        out.push_scalar(prefix, name, (*self).into());
    }

    fn read(prefix: &str, name: &str, source: &mut StateSource, _device: &Device) -> Option<Self> {
        source.take_scalar(prefix, name)?.try_into().ok()
    }
}

/// Implements `RecordState` for a state of rank `D` from the names of its fields.
macro_rules! record_state {
    ($state:ident { $($field:ident),* }) => {
        impl<const D: usize> burn::optim::RecordState for $state<D> {
            fn state_flatten(&self, prefix: &str, out: &mut burn::optim::StateSink) {
                $($crate::optim::state::Leaf::write(&self.$field, prefix, stringify!($field), out);)*
            }

            fn state_unflatten(
                prefix: &str,
                source: &mut burn::optim::StateSource,
                device: &burn::tensor::Device,
            ) -> Option<Self> {
                Some(Self {
                    $($field: $crate::optim::state::Leaf::read(prefix, stringify!($field), source, device)?,)*
                })
            }
        }
    };
}
pub(crate) use record_state;
