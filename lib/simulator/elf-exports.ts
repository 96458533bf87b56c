/**
 * Takes exported names out of a shared library, so that a node's copy has exactly those of the driver
 * release it plays: clients choose what to call by what dlsym finds.
 *
 * Only the dynamic symbol table is edited, in place: the symbols to keep move up in their order, their
 * versions with them, the GNU hash table is filled anew, and relocations follow the symbols that moved.
 * Nothing else moves; code that no name leads to any more stays where it is. For 64-bit little-endian
 * ELF (x86-64, arm64) with a GNU hash table and no other.
 */

const SYMBOL_BYTES = 24
const VERSION_BYTES = 2
const RELOCATION_BYTES = 24

const segmentTypes = { load: 1, dynamic: 2 }
const tags = {
  needed: 1,
  relocationBytesOfPlt: 2,
  sysvHash: 4,
  strings: 5,
  symbols: 6,
  relocations: 7,
  relocationBytes: 8,
  soname: 14,
  rpath: 15,
  implicitRelocations: 17,
  relocationsOfPlt: 23,
  runpath: 29,
  gnuHash: 0x6ffffef5,
  symbolVersions: 0x6ffffff0,
  versionDefinitions: 0x6ffffffc,
  versionsNeeded: 0x6ffffffe,
  versionsNeededCount: 0x6fffffff
}

/** The hash of a name in a GNU hash table. */
function gnuHash(name: string): number {
  let hash = 5381
  for (const byte of Buffer.from(name)) hash = (Math.imul(hash, 33) + byte) >>> 0
  return hash
}

interface ExportedSymbol {
  readonly index: number
  readonly name: string
  readonly hash: number
}

/** A library's bytes and where its dynamic tables are, all places in bytes of the file. */
class Library {
  readonly bytes: Buffer
  readonly #segments: { address: number; offset: number; bytes: number }[] = []
  readonly #dynamic: [tag: number, value: number][] = []

  constructor(bytes: Buffer) {
    this.bytes = bytes
    const isElf64 = bytes.length >= 64 && bytes.readUInt32BE(0) === 0x7f454c46 && bytes[4] === 2 && bytes[5] === 1
    if (!isElf64) throw new Error('not a 64-bit little-endian ELF library')
    const headers = this.u64(32)
    const headerBytes = bytes.readUInt16LE(54)
    const headerCount = bytes.readUInt16LE(56)
    for (let i = 0; i < headerCount; i++) {
      const at = headers + i * headerBytes
      const segment = { address: this.u64(at + 16), offset: this.u64(at + 8), bytes: this.u64(at + 32) }
      const type = this.u32(at)
      if (type === segmentTypes.load) this.#segments.push(segment)
      if (type === segmentTypes.dynamic) this.#readDynamic(segment.offset, segment.bytes)
    }
    for (const tag of [tags.sysvHash, tags.implicitRelocations, tags.versionDefinitions]) {
      if (this.value(tag) !== undefined)
        throw new Error(`the library has a dynamic entry ${tag}, which would have to be edited too`)
    }
  }

  #readDynamic(start: number, bytes: number): void {
    for (let at = start; at < start + bytes && this.u64(at) !== 0; at += 16) this.#dynamic.push([this.u64(at), this.u64(at + 8)])
  }

  u32(at: number): number {
    return this.bytes.readUInt32LE(at)
  }

  /** Every figure of a library's tables is an address, a size or a tag, far below 2^53. */
  u64(at: number): number {
    return Number(this.bytes.readBigUInt64LE(at))
  }

  values(tag: number): number[] {
    return this.#dynamic.filter(([each]) => each === tag).map(([, value]) => value)
  }

  value(tag: number): number | undefined {
    return this.values(tag)[0]
  }

  /** Where in the file a table is that the dynamic section names by address. */
  table(tag: number): number {
    const address = this.value(tag)
    const segment = this.#segments.find(
      each => address !== undefined && each.address <= address && address < each.address + each.bytes
    )
    if (address === undefined || !segment) throw new Error(`the library has no dynamic entry ${tag}`)
    return address - segment.address + segment.offset
  }

  text(at: number): string {
    return this.bytes.toString('latin1', at, this.bytes.indexOf(0, at))
  }
}

/** The GNU hash table: buckets of consecutive symbols, from `first` on; those before it are imported. */
class HashTable {
  readonly #library: Library
  readonly first: number
  readonly #words: { at: number; count: number; shift: number }
  readonly #buckets: { at: number; count: number }
  readonly #chain: number

  constructor(library: Library) {
    this.#library = library
    const at = library.table(tags.gnuHash)
    this.first = library.u32(at + 4)
    this.#words = { at: at + 16, count: library.u32(at + 8), shift: library.u32(at + 12) }
    this.#buckets = { at: this.#words.at + 8 * this.#words.count, count: library.u32(at) }
    this.#chain = this.#buckets.at + 4 * this.#buckets.count
  }

  /** One past the last symbol: the end of the chain of the last bucket. */
  get end(): number {
    let last = 0
    for (let i = 0; i < this.#buckets.count; i++) last = Math.max(last, this.#library.u32(this.#buckets.at + 4 * i))
    if (last < this.first) return this.first
    while ((this.#library.u32(this.#chain + 4 * (last - this.first)) & 1) === 0) last++
    return last + 1
  }

  /** Fills the table anew for symbols that stand in `first`, `first` + 1 and so on; returns where it ends. */
  refill(symbols: readonly ExportedSymbol[], end: number): number {
    const { bytes } = this.#library
    bytes.fill(0, this.#words.at, this.#chain + 4 * (end - this.first))
    const bucketOf = (symbol: ExportedSymbol | undefined): number | undefined => symbol && symbol.hash % this.#buckets.count
    symbols.forEach((symbol, i) => {
      const word = this.#words.at + 8 * (Math.floor(symbol.hash / 64) % this.#words.count)
      const bits = (1n << BigInt(symbol.hash % 64)) | (1n << BigInt((symbol.hash >>> this.#words.shift) % 64))
      bytes.writeBigUInt64LE(bytes.readBigUInt64LE(word) | bits, word)
      const bucket = bucketOf(symbol)!
      if (bucketOf(symbols[i - 1]) !== bucket) bytes.writeUInt32LE(this.first + i, this.#buckets.at + 4 * bucket)
      const endsChain = bucketOf(symbols[i + 1]) !== bucket ? 1 : 0
      bytes.writeUInt32LE(((symbol.hash & ~1) | endsChain) >>> 0, this.#chain + 4 * i)
    })
    return this.#chain + 4 * symbols.length
  }
}

/** Relocations name symbols by number: gives each its symbol's new number. */
function renumberRelocations(library: Library, numbers: ReadonlyMap<number, number>, first: number): void {
  const tables = [
    [tags.relocations, tags.relocationBytes],
    [tags.relocationsOfPlt, tags.relocationBytesOfPlt]
  ] as const
  for (const [table, size] of tables) {
    if (library.value(table) === undefined) continue
    const start = library.table(table)
    for (let at = start; at < start + library.value(size)!; at += RELOCATION_BYTES) {
      const index = library.u32(at + 12)
      if (index < first) continue
      const renumbered = numbers.get(index)
      if (renumbered === undefined) throw new Error(`a relocation needs exported symbol ${index}, which is to go`)
      library.bytes.writeUInt32LE(renumbered, at + 12)
    }
  }
}

/** Where the dynamic strings are that something other than the exported symbols needs. */
function otherStrings(library: Library, symbols: number, first: number): number[] {
  const needed = [tags.needed, tags.soname, tags.rpath, tags.runpath].flatMap(tag => library.values(tag))
  for (let i = 0; i < first; i++) needed.push(library.u32(symbols + i * SYMBOL_BYTES))
  if (library.value(tags.versionsNeeded) === undefined) return needed
  let file = library.table(tags.versionsNeeded)
  for (let i = 0; i < library.value(tags.versionsNeededCount)!; i++) {
    needed.push(library.u32(file + 4))
    let version = file + library.u32(file + 8)
    for (let j = 0; j < library.bytes.readUInt16LE(file + 2); j++) {
      needed.push(library.u32(version + 8))
      version += library.u32(version + 12)
    }
    file += library.u32(file + 12)
  }
  return needed
}

/** Blanks the names of dropped symbols, except bytes that a string still in use shares with them. */
function eraseNames(library: Library, dropped: readonly number[], needed: readonly number[]): void {
  const strings = library.table(tags.strings)
  const endOf = (offset: number): number => library.bytes.indexOf(0, strings + offset)
  const used = new Set<number>()
  for (const offset of needed) for (let at = strings + offset; at < endOf(offset); at++) used.add(at)
  for (const offset of dropped)
    for (let at = strings + offset, end = endOf(offset); at < end; at++) if (!used.has(at)) library.bytes[at] = 0
}

/** Tells tools that go by section headers how long the edited tables are now. */
function shrinkSections(library: Library, sizes: ReadonlyMap<number, number>): void {
  const headers = library.u64(40)
  const headerBytes = library.bytes.readUInt16LE(58)
  const headerCount = library.bytes.readUInt16LE(60)
  for (let i = 0; headers !== 0 && i < headerCount; i++) {
    const at = headers + i * headerBytes
    const size = sizes.get(library.u64(at + 24))
    if (size !== undefined) library.bytes.writeBigUInt64LE(BigInt(size), at + 32)
  }
}

/** A copy of a shared library that exports exactly `names`, all of which the original must export. */
export function keepExports(original: Buffer, names: ReadonlySet<string>): Buffer {
  const library = new Library(Buffer.from(original))
  const { bytes } = library
  const symbols = library.table(tags.symbols)
  const strings = library.table(tags.strings)
  const hashTable = new HashTable(library)
  const { first, end } = hashTable

  const exported: ExportedSymbol[] = []
  for (let index = first; index < end; index++) {
    const name = library.text(strings + library.u32(symbols + index * SYMBOL_BYTES))
    exported.push({ index, name, hash: gnuHash(name) })
  }
  const kept = exported.filter(({ name }) => names.has(name))
  if (kept.length < names.size) {
    const missing = [...names].filter(name => !kept.some(symbol => symbol.name === name))
    throw new Error(`the library lacks ${missing.length} of the ${names.size} names asked for, ${missing[0]} among them`)
  }

  renumberRelocations(library, new Map(kept.map(({ index }, i) => [index, first + i])), first)
  const nameOf = ({ index }: ExportedSymbol): number => library.u32(symbols + index * SYMBOL_BYTES)
  const dropped = exported.filter(symbol => !kept.includes(symbol)).map(nameOf)
  eraseNames(library, dropped, [...otherStrings(library, symbols, first), ...kept.map(nameOf)])

  const count = first + kept.length
  /** Moves the kept entries of a table with one entry per symbol together and blanks the rest. */
  const compact = (table: number, entryBytes: number): void => {
    for (const [i, { index }] of kept.entries()) {
      bytes.copy(bytes, table + (first + i) * entryBytes, table + index * entryBytes, table + (index + 1) * entryBytes)
    }
    bytes.fill(0, table + count * entryBytes, table + end * entryBytes)
  }
  compact(symbols, SYMBOL_BYTES)
  // A library that imports no versioned symbol has no table of versions.
  const versions = library.value(tags.symbolVersions)
  if (versions !== undefined) compact(library.table(tags.symbolVersions), VERSION_BYTES)
  const hashEnd = hashTable.refill(kept, end)
  shrinkSections(
    library,
    new Map([
      [library.value(tags.symbols)!, count * SYMBOL_BYTES],
      ...(versions === undefined ? [] : [[versions, count * VERSION_BYTES] as const]),
      [library.value(tags.gnuHash)!, hashEnd - library.table(tags.gnuHash)]
    ])
  )
  return bytes
}
