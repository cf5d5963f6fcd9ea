/** The extension of a file by its first bytes, for a stream without a name. Only formats that cannot be mistaken. */

/** The mark of each format and its position (from the specifications, which the database of file(1) collects). */
const signatures: readonly { extension: string; offset: number; mark: Buffer }[] = [
  { extension: '.gz', offset: 0, mark: Buffer.from([0x1f, 0x8b, 0x08]) },
  { extension: '.zst', offset: 0, mark: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]) },
  { extension: '.xz', offset: 0, mark: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]) },
  { extension: '.bz2', offset: 0, mark: Buffer.from('BZh') },
  { extension: '.zip', offset: 0, mark: Buffer.from('PK\x03\x04') },
  { extension: '.7z', offset: 0, mark: Buffer.from([0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c]) },
  { extension: '.pdf', offset: 0, mark: Buffer.from('%PDF-') },
  { extension: '.png', offset: 0, mark: Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) },
  { extension: '.jpg', offset: 0, mark: Buffer.from([0xff, 0xd8, 0xff]) },
  { extension: '.gif', offset: 0, mark: Buffer.from('GIF8') },
  { extension: '.sqlite', offset: 0, mark: Buffer.from('SQLite format 3\0') },
  { extension: '.tar', offset: 257, mark: Buffer.from('ustar') },
]

/** An extension with its dot, or an empty string. */
export function guessExtension(first: Buffer): string {
  const found = signatures.find(({ offset, mark }) => first.subarray(offset, offset + mark.length).equals(mark))
  return found?.extension ?? ''
}
