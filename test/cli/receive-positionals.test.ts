import t from 'tap'
import { parseArguments } from '../../dist/cli/arguments.js'
import { receiveCommandLine } from '../../dist/cli/receive-command-line.js'
import { unexpectedPositionals } from '../../dist/cli/receive-positionals.js'

t.test('says with which option a word is given', async (t) => {
  const both = (host: string, port: string, options = '') =>
    `to fetch from a sender that listens: tcp-recv ${options}--connect ${host} --port ${port}; ` +
    `to wait for a sender: tcp-recv ${options}--port ${port}`
  const table: [args: string[], message: string][] = [
    [['9001'], 'the port is given with --port: tcp-recv --port 9001'],
    [[':9001'], 'the port is given with --port: tcp-recv --port 9001'],
    [['--once', '9001'], 'the port is given with --port: tcp-recv --once --port 9001'],
    [['--connect', 'host', '9001'], 'the port is given with --port: tcp-recv --connect host --port 9001'],
    [['my dir'], "the folder is given with --out: tcp-recv --port 9000 --out 'my dir'"],
    [['-p', '0', 'dir'], 'the folder is given with --out: tcp-recv --port 0 --out dir'],
    [['9001', 'dir'], 'the port is given with --port, the folder is given with --out: tcp-recv --port 9001 --out dir'],
    [['.', '9001'], 'the port is given with --port, the folder is given with --out: tcp-recv --port 9001 --out .'],
    [['-p', '1', '2'], '"2" is one too many: --port is 1 already'],
    [['-p', '1', '-o', 'a b', 'c'], `"c" is one too many: --out is 'a b' already`],
    [['host:9001'], both('host', '9001')],
    [['--once', 'host', '9001'], both('host', '9001', '--once ')],
    [['tcp://host'], both('host', '9000')],
  ]
  for (const [args, message] of table) {
    t.equal(unexpectedPositionals(parseArguments(receiveCommandLine, args)).message, message)
  }
})
