//! Turn files into pieces and any k of n pieces back into files.
