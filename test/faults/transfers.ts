/** The transfers that are disturbed: each small, and together with every kind of call. */
import { bytesOf } from '../fixtures/folder.ts'
import type { Tree } from '../fixtures/tree.ts'

export interface Transfer {
  title: string
  /** What the sender has. */
  source: Tree
  /** What it is to send: names in its folder, or `-` for the content of `input`. */
  send: string[]
  input?: Buffer
  /** What is in the receiver's folder before. */
  before?: Tree
  /** More arguments of the receiver. */
  receive?: string[]
  /** The receiver writes to its standard output. */
  output?: Buffer
  /** The sender listens, and the receiver dials. */
  isFetched?: boolean
  /** Both sides have the same key. */
  hasKey?: boolean
  /** What is in the receiver's folder after it, other than what was there and stays. */
  after: Tree
  /** Names that appear one after the other, and not all at once. By default a top-level name comes as a whole. */
  isMerged?: boolean
}

/** True if both sides end with the transfer. Otherwise the receiver listens, and goes on. */
export function isSingle({ output, isFetched = false }: Transfer): boolean {
  return output !== undefined || isFetched
}

const small = bytesOf(10_000, 3)
const large = bytesOf(3_000_000, 4)

/** A directory with everything that a directory can have; `large` is not read in one piece. */
const project: Tree = {
  'project/a.txt': 'a',
  'project/empty/': '',
  'project/large': bytesOf(1_500_000, 5),
  'project/link': { to: 'a.txt' },
  'project/sub/b': bytesOf(2_000, 6),
}

/** So many files that the whole file system is flushed. */
const many: Tree = Object.fromEntries(Array.from({ length: 50 }, (_, number) => [`many/${number}`, `file ${number}`]))

export const transfers: readonly Transfer[] = [
  { title: 'a file', source: { f: small }, send: ['f'], after: { f: small } },
  {
    title: 'a file over another one',
    source: { f: small },
    send: ['f'],
    before: { f: 'old' },
    receive: ['--if-exists', 'overwrite'],
    after: { f: small },
  },
  {
    title: 'a file beside another one',
    source: { f: small },
    send: ['f'],
    before: { f: 'old' },
    after: { f: 'old', f_bak: small },
  },
  {
    title: 'three files',
    source: { 'a b': small, l: large, e: '' },
    send: ['a b', 'l', 'e'],
    after: { 'a b': small, l: large, e: '' },
  },
  { title: 'standard input', source: {}, send: ['--name', 'f', '-'], input: small, after: { f: small } },
  { title: 'a file to a pipe', source: { l: large }, send: ['l'], output: large, after: {} },
  { title: 'a directory', source: project, send: ['project'], after: project },
  {
    title: 'a directory beside another one',
    source: project,
    send: ['project'],
    before: { 'project/a.txt': 'old' },
    after: {
      'project/a.txt': 'old',
      ...Object.fromEntries(
        Object.entries(project).map(([path, what]) => [path.replace('project', 'project_bak'), what]),
      ),
    },
  },
  {
    title: 'a directory into another one',
    source: project,
    send: ['project'],
    before: { 'project/a.txt': 'old', 'project/sub/x': 'old' },
    receive: ['--if-exists', 'overwrite'],
    after: { ...project, 'project/sub/x': 'old' },
    isMerged: true,
  },
  { title: 'a directory of many files', source: many, send: ['many'], after: many },
  {
    title: 'a file and a directory with a key',
    source: { f: small, ...project },
    send: ['f', 'project'],
    hasKey: true,
    after: { f: small, ...project },
  },
  { title: 'a fetched file', source: { f: small }, send: ['f'], isFetched: true, after: { f: small } },
  { title: 'a fetched directory', source: project, send: ['project'], isFetched: true, after: project },
  {
    title: 'a fetched file with a key',
    source: { f: small },
    send: ['f'],
    isFetched: true,
    hasKey: true,
    after: { f: small },
  },
]
