"use strict";
/* The page of the interface: Swagger UI over the service's own description. Nothing is sent to a validator elsewhere. */
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#interface",
  presets: [SwaggerUIBundle.presets.apis],
  validatorUrl: null,
  queryConfigEnabled: false,
});
