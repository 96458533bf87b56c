/** The library of a node: the built one with the exported names of a driver release and that release's stamp. */
import { nativeFile } from '../binding.js'
import { keepExports } from './elf-exports.js'
import { exportedBy, type Release } from './releases.js'

/** The file that a node's library is a copy of. */
export const builtLibrary = (): string => nativeFile('libnvidia-ml.so.1')

/** ReleaseStamp of native/simulator/release_stamp.h: after the marker, the two versions. */
const MARKER = Buffer.from('nvml-mig: a library of release:\0')
const VERSION_BYTES = 80

/** Tells the library which driver release it is of, so that it knows the module that it does not fit. */
function stamp(library: Buffer, { version, nvmlVersion }: Release): void {
  const at = library.indexOf(MARKER)
  if (at < 0 || library.indexOf(MARKER, at + 1) >= 0)
    throw new Error('the library has no place for the release that it is of, or more than one')
  for (const [i, text] of [version, nvmlVersion].entries()) {
    if (text.length >= VERSION_BYTES) throw new RangeError(`${text} is too long for a library`)
    library.write(text, at + MARKER.length + i * VERSION_BYTES)
  }
}

/** What the built library is as the one of `release`. */
export function libraryOf(release: Release, built: Buffer): Buffer {
  const library = keepExports(built, exportedBy(release))
  stamp(library, release)
  return library
}
