// Put a file into a drag.
(transfer, [name, bytes]) =>
  transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/jpeg" }));
