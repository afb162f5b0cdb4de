// An SMSC by strangers (npm's `smpp`), steered by JSON lines on standard input; what happens to it
// is told in JSON lines on standard output. It ends when its standard input does.
//
// {"do": "set", ...}          changes how it behaves from now on: the members of `habits` below
// {"do": "release", "count"}  answers submits that are held, the oldest first; no count: all
// {"do": "deliver", "pdus": [{"source_addr", "dest_addr", "hex", "esm_class", "data_coding"}]}
//                             sends deliver_sm PDUs at once, over the newest session
// {"do": "enquire"}, {"do": "unbind"}, {"do": "drop"}   to every session
// {"do": "nack", "sequence"}  a generic_nack out of the blue
//
// Run it in the folder whose node_modules has `smpp`.
import {createRequire} from 'node:module';
import {createInterface} from 'node:readline';

const smpp = createRequire(process.cwd() + '/')('smpp');
// Bytes as they came: no texts, no dates.
for (const command of ['submit_sm', 'deliver_sm']) {
  delete smpp.commands[command].params.short_message.filter;
  delete smpp.commands[command].params.validity_period.filter;
}

const habits = {
  bind_status: 0, //         what a bind is answered
  refuse: 0, //              so many submits are refused ...
  refuse_status: 0x58, //    ... with this (ESME_RTHROTTLED)
  nack: 0, //                so many submits are answered by a generic_nack
  drop_after: 0, //          the connection is cut when so many more submits have come; 0: never
  hold: false, //            submits are taken, and answered when released
  silent: false, //          submits are taken, and never answered
  answer_delay: 0, //        milliseconds
  message_id: 'decimal', //  or hex, or none
  receipts: 'none', //       or before (the answer), after (it)
  receipt_delay: 0, //       milliseconds after the answer
  keep_receipts: false, //   one comes again at each bind until it is acknowledged, and what was taken
  //                         has one even if its answer was lost with the connection
  stat: 'DELIVRD', //        of the receipts
  deaf_to_enquiries: false,
};

const held = [];
const owed = new Map(); // submits whose receipts are kept, by message id
const sessions = new Map();
let lastId = 0;
let lastSession = 0;

const tell = (event, members = {}) => process.stdout.write(JSON.stringify({event, ...members}) + '\n');
const later = (milliseconds, what) => (milliseconds ? setTimeout(what, milliseconds) : what());

function newId() {
  lastId += 1;
  if (habits.message_id === 'none') return '';
  return habits.message_id === 'hex' ? lastId.toString(16).toUpperCase() : String(lastId);
}

function receipt(session, pdu, id) {
  if (habits.keep_receipts) owed.set(id, pdu);
  if (session.gone) return;
  const date = new Date().toISOString().replace(/\D/g, '').slice(2, 12);
  session.deliver_sm(
    {
      source_addr: pdu.destination_addr,
      destination_addr: pdu.source_addr,
      esm_class: 4,
      short_message: Buffer.from(
        `id:${id} sub:001 dlvrd:001 submit date:${date} done date:${date} stat:${habits.stat} err:000 text:`,
      ),
    },
    (answer) => {
      if (answer.command_status === 0) owed.delete(id);
      tell('deliver_resp', {message_id: id, status: answer.command_status});
    },
  );
}

function answer({session, pdu, id}) {
  if (session.gone) {
    if (habits.keep_receipts) owed.set(id, pdu);
    return;
  }
  if (habits.receipts === 'before') receipt(session, pdu, id);
  session.send(pdu.response({message_id: id}));
  tell('answered', {session: session.number, sequence: pdu.sequence_number, message_id: id});
  if (habits.receipts === 'after') later(habits.receipt_delay, () => receipt(session, pdu, id));
}

function take(session, pdu) {
  if (session.gone) return undefined;
  tell('submit', {
    session: session.number,
    sequence: pdu.sequence_number,
    source_ton: pdu.source_addr_ton,
    source_npi: pdu.source_addr_npi,
    source_addr: pdu.source_addr,
    dest_ton: pdu.dest_addr_ton,
    dest_npi: pdu.dest_addr_npi,
    dest_addr: pdu.destination_addr,
    esm_class: pdu.esm_class,
    data_coding: pdu.data_coding,
    registered_delivery: pdu.registered_delivery,
    validity_period: pdu.validity_period,
    hex: pdu.short_message.toString('hex'),
  });
  if (habits.drop_after && --habits.drop_after === 0) {
    session.gone = true; // what it has read already, it has not taken
    return session.destroy();
  }
  if (habits.nack > 0) {
    habits.nack -= 1;
    return session.generic_nack({sequence_number: pdu.sequence_number, command_status: 3});
  }
  if (habits.refuse > 0) {
    habits.refuse -= 1;
    return session.send(pdu.response({command_status: habits.refuse_status}));
  }
  const taken = {session, pdu, id: newId()};
  if (habits.silent) return undefined;
  if (habits.hold) return held.push(taken);
  return later(habits.answer_delay, () => answer(taken));
}

const server = smpp.createServer({}, (session) => {
  session.number = lastSession += 1;
  sessions.set(session.number, session);
  session.on('bind_transceiver', (pdu) => {
    const {system_id, password, system_type, interface_version} = pdu;
    const status = habits.bind_status;
    session.send(pdu.response(status ? {command_status: status} : {system_id: 'stranger'}));
    tell('bind', {session: session.number, status, system_id, password, system_type, interface_version});
    if (!status) owed.forEach((submit, id) => receipt(session, submit, id));
  });
  session.on('submit_sm', (pdu) => take(session, pdu));
  session.on('enquire_link', (pdu) => {
    if (!habits.deaf_to_enquiries) session.send(pdu.response());
    tell('enquire_link', {session: session.number});
  });
  session.on('unbind', (pdu) => {
    tell('unbind', {session: session.number});
    session.send(pdu.response());
    session.close();
  });
  session.on('generic_nack', (pdu) => tell('generic_nack', {status: pdu.command_status}));
  session.on('close', () => {
    session.gone = true;
    sessions.delete(session.number);
    tell('closed', {session: session.number});
  });
  session.on('error', (error) => tell('error', {session: session.number, message: error.message}));
});

function deliver(pdus) {
  const session = sessions.get(Math.max(...sessions.keys()));
  for (const [index, pdu] of pdus.entries()) {
    session.deliver_sm(
      {
        source_addr: pdu.source_addr ?? '',
        destination_addr: pdu.dest_addr ?? '',
        esm_class: pdu.esm_class ?? 0,
        data_coding: pdu.data_coding ?? 0,
        short_message: Buffer.from(pdu.hex ?? '', 'hex'),
      },
      (response) => tell('deliver_resp', {index, status: response.command_status}),
    );
  }
}

const deeds = {
  set: ({do: _, ...changes}) => Object.assign(habits, changes),
  release: ({count = held.length}) => held.splice(0, count).forEach(answer),
  deliver: ({pdus}) => deliver(pdus),
  enquire: () =>
    sessions.forEach((session) => session.enquire_link(() => tell('enquire_link_resp', {session: session.number}))),
  unbind: () =>
    sessions.forEach((session) => session.unbind(() => tell('unbind_resp', {session: session.number}))),
  drop: () =>
    sessions.forEach((session) => {
      session.gone = true;
      session.destroy();
    }),
  nack: ({sequence}) => sessions.forEach((session) => session.generic_nack({sequence_number: sequence, command_status: 8})),
};

createInterface({input: process.stdin})
  .on('line', (line) => {
    const order = JSON.parse(line);
    deeds[order.do](order);
    tell('done', {order: order.order});
  })
  .on('close', () => process.exit(0));

server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => tell('listening', {port: server.address().port}));
